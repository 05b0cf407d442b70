"""`instseg benchmark evaluate` and `read`: likeness to COCO, equal numbers, figures on disk."""

import json

import pytest

from instseg.cli import main
from instseg.commands import benchmark_evaluate
from instseg.commands.benchmark_evaluate import Measured


def test_figures_of_evaluation_for_boxes_and_masks(tmp_path, capsys):
    path = tmp_path / "figures.json"
    options = ["--images-count", "8", "--repeats", "1", "--json", str(path)]
    assert main(["benchmark", "evaluate", *options, "--out", str(tmp_path)]) == 0
    figures = json.loads(path.read_text())
    assert (figures["images"], figures["detections"]) == (8, 800)
    for kind in ("bbox", "segm"):
        seconds = [figures[side][f"{kind}_s"] for side in ("ours", "peer")]
        assert figures["ratio"][kind] == seconds[1] / seconds[0]
    assert "segm: " in (told := capsys.readouterr().out)
    assert "times as fast as pycocotools" in told


def test_figures_of_reading(tmp_path):
    path = tmp_path / "figures.json"
    options = ["--images-count", "40", "--repeats", "1", "--json", str(path)]
    assert main(["benchmark", "read", *options, "--out", str(tmp_path)]) == 0
    figures = json.loads(path.read_text())
    assert figures["annotations"] > 40
    assert figures["ours"]["read_s"] > 0


def test_what_is_made_up_resembles_coco(tmp_path):
    benchmark_evaluate.write_evaluation(tmp_path, images=200, seed=0)
    truth = json.loads((tmp_path / "truth.json").read_text())
    areas = [annotation["area"] for annotation in truth["annotations"]]
    crowds = [annotation["iscrowd"] for annotation in truth["annotations"]]
    assert len(areas) / 200 == pytest.approx(7.3, abs=1)
    assert sum(area < 32**2 for area in areas) / len(areas) == pytest.approx(0.41, abs=0.06)
    assert sum(area >= 96**2 for area in areas) / len(areas) == pytest.approx(0.24, abs=0.06)
    assert sum(crowds) / len(crowds) == pytest.approx(0.012, abs=0.01)
    results = json.loads((tmp_path / "segm.json").read_text())
    assert len(results) == 200 * 100
    numbers = benchmark_evaluate.evaluate_once("ours", tmp_path, "segm").numbers
    assert 0.2 < numbers[0] < 0.8


def different_numbers(side):
    return Measured(1.0, 1.0, [0.5 if side == "ours" else 0.5 + 1e-8])


def test_different_numbers_are_an_error():
    with pytest.raises(RuntimeError, match="differ"):
        benchmark_evaluate.in_turn(different_numbers, {"bbox": ()}, repeats=1)


def test_no_images_is_wrong_usage(capsys):
    assert main(["benchmark", "read", "--images-count", "0"]) == 2
    assert "--images-count" in capsys.readouterr().err
