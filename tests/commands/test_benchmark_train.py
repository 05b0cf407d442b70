"""`instseg benchmark train`: both sides train alike, and the figures are written."""

import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from torchvision.ops import MultiScaleRoIAlign

from instseg.cli import main
from instseg.commands import benchmark_train
from instseg.commands.benchmark import BenchmarkConfig
from instseg.commands.benchmark_train import (
    SIDES,
    read_samples,
    starting_point,
    with_torchvision_pools,
)
from instseg.core.errors import InputError
from instseg.files.image import read_image, write_image
from instseg.models.mask_rcnn import build, coco_card


def losses_of(side, config):
    model = starting_point(config)
    return list(SIDES[side](model, read_samples(config, model.card.class_names), config))


def test_figures_of_training(tiny_weights, tmp_path, capsys):
    path = tmp_path / "figures.json"
    options = ["--weights", str(tiny_weights), "--repeats", "2", "--json", str(path)]
    assert main(["benchmark", "train", *options, "--out", str(tmp_path)]) == 0
    figures = json.loads(path.read_text())
    assert figures["ratio"] == figures["peer"]["median"] / figures["ours"]["median"]
    for side in ("ours", "peer"):
        assert figures[side]["peak_mb"] > 0
        assert figures[side]["steps_per_s"] == 1 / figures[side]["median"]
        assert len(figures["losses"][side]) == 3
    assert read_image(path.with_suffix(".png")).shape[2] == 3
    assert "times as fast as torchvision" in capsys.readouterr().out


@pytest.mark.parametrize(("precision", "at_first"), [("fp32", 1e-4), ("bf16", 0.02)])
def test_our_losses_follow_the_reference(tiny_weights, tmp_path, precision, at_first):
    config = BenchmarkConfig(weights=str(tiny_weights), repeats=11, out=tmp_path)
    expected = losses_of("peer", config)
    losses = losses_of("ours", replace(config, precision=precision))
    assert losses[:3] == pytest.approx(expected[:3], rel=at_first)
    assert losses == pytest.approx(expected, rel=0.05)  # rounding swaps a proposal in time
    assert losses[-1] < losses[0]


def test_the_first_losses_on_real_photos_are_equal(tiny_weights, tmp_path, coco_dir):
    config = BenchmarkConfig(
        weights=str(tiny_weights),
        coco_json=coco_dir / "annotations/instances_val2017.json",
        images=[str(coco_dir / "val2017")],
        repeats=1,
        out=tmp_path,
    )
    assert losses_of("ours", config)[0] == pytest.approx(losses_of("peer", config)[0], rel=1e-5)


def killed(side, config):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_side_that_is_killed_ends_in_one_line(tiny_weights, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(benchmark_train, "measure_peak", killed)
    options = ["--weights", str(tiny_weights), "--repeats", "1", "--out", str(tmp_path)]
    assert main(["benchmark", "train", *options]) == 2
    told = capsys.readouterr().err.splitlines()
    assert told[-1].startswith("instseg: ours: its process ran out of memory or was killed")


def test_photos_have_objects_of_the_model(tmp_path):
    """One photo has nothing, one another class, one a crowd."""
    for number in range(1, 5):
        write_image(tmp_path / f"{number}.png", np.zeros((20, 20, 3), np.uint8))
    outline = {"segmentation": [[1, 1, 9, 1, 9, 9, 1, 9]], "bbox": [1, 1, 8, 8], "area": 64}
    kinds = ((2, 47, 0), (3, 17, 1), (4, 17, 0))  # photo, category, crowd
    document = {
        "images": [
            {"id": i, "file_name": f"{i}.png", "height": 20, "width": 20} for i in range(1, 5)
        ],
        "categories": [{"id": 17, "name": "cat"}, {"id": 47, "name": "cup"}],
        "annotations": [
            {"id": i, "image_id": image, "category_id": category, "iscrowd": crowd, **outline}
            for i, (image, category, crowd) in enumerate(kinds, start=1)
        ],
    }
    path = tmp_path / "some.json"
    path.write_text(json.dumps(document))
    config = BenchmarkConfig(coco_json=path, images=[str(tmp_path)])
    targets = [target for _, target in read_samples(config, ("BG", "dog", "cat")).samples]
    assert [target["labels"].tolist() for target in targets] == [[2]]
    with pytest.raises(InputError, match=r"some.json: has no objects of the model's classes"):
        read_samples(config, ("BG", "dog"))


def test_a_pth_file_needs_its_architecture(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save(build(coco_card("compact")).network.state_dict(), path)
    config = BenchmarkConfig(weights=str(path), architecture="compact")
    assert starting_point(config).card.architecture == "compact"
    with pytest.raises(InputError, match="add --architecture"):
        starting_point(replace(config, architecture=None))


def test_the_peer_has_torchvisions_own_layers(tiny_weights):
    network = starting_point(BenchmarkConfig(weights=str(tiny_weights))).network
    heads = with_torchvision_pools(network).roi_heads
    assert isinstance(heads.box_roi_pool, MultiScaleRoIAlign)
    assert isinstance(heads.mask_roi_pool, MultiScaleRoIAlign)


def test_wrong_usage(tmp_path, capsys):
    assert main(["benchmark", "train", "--batch-size", "0"]) == 2
    assert "--batch-size" in capsys.readouterr().err
    coco_json = tmp_path / "train.json"
    assert (
        main(["benchmark", "train", "--architecture", "compact", f"--coco-json={coco_json}"]) == 2
    )
    assert "--images" in capsys.readouterr().err
