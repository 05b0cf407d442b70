"""pycocotools beside the evaluator."""

import json

import pytest

from instseg.core.errors import InputError
from instseg.evaluation import coco_ap
from instseg.evaluation.coco_ap import measure_ap
from instseg.evaluation.referee import disagreements, referee_scores

BOX = [10, 10, 40, 40]
TRUTH = {
    "images": [{"id": 1, "height": 100, "width": 100}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 7, "bbox": BOX, "area": 1600, "iscrowd": 0}
    ],
    "categories": [{"id": 7, "name": "cup"}],
}


def result(**changes):
    return {"image_id": 1, "category_id": 7, "bbox": BOX, "score": 0.9, **changes}


def test_a_number_that_differs_is_named():
    scores = measure_ap(TRUTH, [result()], "bbox").scores
    referee = referee_scores(TRUTH, [result()], "bbox")
    assert disagreements(scores, referee) == []
    assert disagreements(scores | {"AP75": scores["AP75"] - 2e-9}, referee) == ["AP75"]
    assert disagreements(scores | {"APl": float("nan")}, referee) == ["APl"]


def test_results_of_other_images_do_not_stop_it():
    results = [result(), result(image_id=99)]
    referee = referee_scores(TRUTH, results, "bbox")
    assert disagreements(measure_ap(TRUTH, results, "bbox").scores, referee) == []


def test_a_command_with_a_referee_fails_on_a_difference(tmp_path, monkeypatch):
    """An evaluator that is wrong does not get by."""
    from instseg.commands.evaluate import Options, run

    (tmp_path / "truth.json").write_text(json.dumps(TRUTH))
    (tmp_path / "results.json").write_text(json.dumps([result()]))
    wrong = coco_ap.METRICS | {"AP": coco_ap.METRICS["AP"]._replace(size=1)}
    monkeypatch.setattr(coco_ap, "METRICS", wrong)
    config = Options(
        coco_json=tmp_path / "truth.json",
        results=tmp_path / "results.json",
        out=tmp_path / "out",
        referee=True,
        plots=False,
    )
    with pytest.raises(InputError, match=r"results\.json: pycocotools has other numbers .*: AP;"):
        run(config)
