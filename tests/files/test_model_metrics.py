"""Metrics in the provenance of model files, which may be anything."""

from dataclasses import replace

import pytest
from stand_in import TINY_CARD

from instseg.files.model_metrics import stored_metrics


def test_metrics_as_training_and_evaluation_write_them():
    of_training = {"AP": 0.5, "AP50": 0.7, "APs": -1, "per_class": {"cat": 0.6, "dog": 0.4}}
    of_evaluation = {**of_training, "intervals": {"AP": [0.4, 0.6]}, "objects": {"cat": 7}}
    metrics = {"segm": of_training, "bbox": of_evaluation, "data": {"images": 12}}
    found = stored_metrics(replace(TINY_CARD, provenance={"metrics": metrics}))
    assert list(found) == ["bbox", "segm"]
    mask, box = found["segm"], found["bbox"]
    assert (mask.name, mask.scores) == ("mask", {"AP": 0.5, "AP50": 0.7, "APs": -1.0})
    assert (mask.intervals, mask.objects, mask.images) == ({}, {}, 12)
    assert mask.per_class == {"cat": 0.6, "dog": 0.4}
    assert box.intervals == {"AP": (0.4, 0.6)}
    assert box.objects == {"cat": 7.0}


@pytest.mark.parametrize(
    "metrics",
    [
        None,
        "0.5",
        {"scores": {"mIoU": 0.5}},
        {"segm": 0.5},
        {"segm": {"AP": "0.5"}},
        {"segm": {"AP": float("nan")}},
        {"segm": {"AP": True}},
    ],
)
def test_what_is_no_metric_is_left_out(metrics):
    assert stored_metrics(replace(TINY_CARD, provenance={"metrics": metrics})) == {}
    odd = {"AP": 0.5, "intervals": [1], "per_class": {"cat": None}, "objects": "many"}
    (found,) = stored_metrics(
        replace(TINY_CARD, provenance={"metrics": {"segm": odd, "data": {"images": "x"}}})
    ).values()
    assert (found.intervals, found.per_class, found.objects, found.images) == ({}, {}, {}, 0)
