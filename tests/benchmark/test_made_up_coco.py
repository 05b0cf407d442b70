"""What is made up for the benchmarks of evaluation and reading is like COCO."""

import json

import pytest

from instseg.benchmark.evaluate import evaluate_once
from instseg.benchmark.made_up_coco import write_evaluation


def test_what_is_made_up_resembles_coco(tmp_path):
    write_evaluation(tmp_path, images=200, seed=0)
    truth = json.loads((tmp_path / "truth.json").read_text())
    areas = [annotation["area"] for annotation in truth["annotations"]]
    crowds = [annotation["iscrowd"] for annotation in truth["annotations"]]
    assert len(areas) / 200 == pytest.approx(7.3, abs=1)
    assert sum(area < 32**2 for area in areas) / len(areas) == pytest.approx(0.41, abs=0.06)
    assert sum(area >= 96**2 for area in areas) / len(areas) == pytest.approx(0.24, abs=0.06)
    assert sum(crowds) / len(crowds) == pytest.approx(0.012, abs=0.01)
    results = json.loads((tmp_path / "segm.json").read_text())
    assert len(results) == 200 * 100
    numbers = evaluate_once("ours", tmp_path, "segm").numbers
    assert 0.2 < numbers[0] < 0.8
