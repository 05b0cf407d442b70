"""What `instseg evaluate` prints of an evaluation."""

import re
from pathlib import Path

import pytest
from coco_documents import sound, write_json

import instseg
from instseg.commands.evaluate_output import print_evaluation


def results(score_of_wrong: float) -> list[dict]:
    """Every object at its place, and a wrong box in each image."""
    found = []
    for each in sound(3)["annotations"]:
        if not each["iscrowd"]:
            record = {key: each[key] for key in ("image_id", "category_id", "bbox")}
            found.append(record | {"score": 0.9})
    for image in sound(3)["images"]:
        wrong = {"image_id": image["id"], "category_id": 3, "bbox": [60, 40, 10, 10]}
        found.append(wrong | {"score": score_of_wrong})
    return found


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory):
    """Wrong boxes that score low, against wrong boxes that score high."""
    path = write_json(tmp_path_factory.mktemp("truth") / "truth.json", sound(3))
    return instseg.evaluate(path, results=results(0.1), against=results(0.95), resamples=100)


def test_scores_errors_classes_and_the_comparison_are_tables(evaluation, capsys):
    print_evaluation(evaluation, Path("others.json"))
    lines = capsys.readouterr().out.splitlines()
    assert re.match(r" +box score +95% interval$", lines[0])
    ap = next(line.split() for line in lines if line.startswith("AP "))
    assert float(ap[1]) == pytest.approx(evaluation.bbox.AP, abs=5e-4)
    by_class = {line.split()[0]: line.split()[1:] for line in lines if line[:3] in ("cup", "dog")}
    assert {name: int(cells[0]) for name, cells in by_class.items()} == {"cup": 3, "dog": 6}
    assert any(line.startswith("cost in AP50 of") for line in lines)
    assert any(line.startswith("box AP against others.json: ") for line in lines)
    few = "2 of 2 classes have fewer than 10 objects"
    assert any(line.startswith(few) for line in lines)


def test_without_another_result_nothing_is_compared(evaluation, tmp_path, capsys):
    path = write_json(tmp_path / "truth.json", sound(3))
    alone = instseg.evaluate(path, results=results(0.1), resamples=100)
    print_evaluation(alone, None)
    assert "against" not in capsys.readouterr().out
