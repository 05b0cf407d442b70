"""The time of each stage of inference."""

import numpy as np
import pytest
import torch

from instseg.benchmark.infer import draw_photos
from instseg.benchmark.stages import STAGES, TOTAL, byte_count, measure_stages
from instseg.core.events import Progress
from instseg.files.image import read_image


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return draw_photos(tmp_path_factory.mktemp("photos"))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_figures_of_every_stage(tiny_weights, photos, tmp_path, capsys, precision):
    events = []
    figures = measure_stages(
        photos,
        weights=str(tiny_weights),
        precision=precision,
        repeats=2,
        folder=tmp_path,
        on_event=events.append,
    )
    stages = figures["stages"]
    assert list(stages) == [*STAGES, TOTAL]
    for figure in stages.values():
        assert 0 < figure["fastest"] <= figure["median"] <= figure["slowest"]
        assert figure["floor"] > 0
    for name in ("trunk", "RPN head", "box head"):
        assert stages[name]["gflop"] > 0
        assert stages[name]["floor"] >= 0.999 * stages[name]["gflop"] / figures["gflop_per_s"]
    assert stages[TOTAL]["floor"] == sum(stages[name]["floor"] for name in STAGES)
    assert read_image(tmp_path / "stages.png").shape == (480, 640, 3)
    assert events[-1] == Progress(task="measuring", done=2, total=2, unit="photos")
    assert capsys.readouterr() == ("", "")


def test_operations_are_those_of_the_network(tiny_weights, photos, tmp_path):
    counts = [
        measure_stages(
            photos[:1], weights=str(tiny_weights), precision=each, repeats=1, folder=tmp_path
        )["stages"]["trunk"]["gflop"]
        for each in ("fp32", "bf16")
    ]
    assert counts[0] == counts[1]


def test_byte_count(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    tensor, array = torch.zeros(2, 3), np.zeros(4, dtype=np.uint8)
    assert byte_count([tensor, {"a": array}, "text", tmp_path / "file"]) == 24 + 4 + 4 + 5
    assert byte_count((None, 1.5, tmp_path / "missing")) == 0
