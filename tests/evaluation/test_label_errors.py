"""Annotations that are likely wrong: what is found, and what is not."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled_squares import EMPTY, annotation_of, square, squares, with_errors

import instseg
from instseg.evaluation.label_errors import LEAST_PROBABILITY, find_label_errors


def boxes_only(records):
    return [{k: v for k, v in each.items() if k != "segmentation"} for each in records]


@pytest.mark.parametrize("kind", ["segm", "bbox"])
def test_an_error_of_each_kind_is_found(kind):
    document, results, wrong = with_errors()
    found = find_label_errors(document, results, kind)
    first = {each.kind: each for each in found[:4]}
    assert {kind: each.annotation_id for kind, each in first.items()} == wrong
    assert all(each.score > 0.5 for each in first.values())
    assert all(each.score < 0.5 for each in found[4:])
    scores = [each.score for each in found]
    assert scores == sorted(scores, reverse=True) and min(scores) >= LEAST_PROBABILITY

    missing = first["missing"]
    assert (missing.image_id, missing.file_name) == (2, "2.png")
    assert missing.category is None and missing.bbox is None and missing.iou is None
    assert missing.suggested_category == "dog"
    assert missing.suggested_bbox == pytest.approx((60, 10, 30, 30), abs=2)
    spurious = first["spurious"]
    assert (spurious.category, spurious.suggested_category) == ("cup", None)
    assert spurious.bbox == (*EMPTY, 30, 30) and spurious.suggested_bbox is None
    changed = first["wrong class"]
    assert (changed.category, changed.suggested_category) == ("cup", "dog")
    assert changed.iou > 0.8
    moved = first["badly placed"]
    assert moved.category == moved.suggested_category and 0.3 < moved.iou < 0.6
    assert moved.bbox == (69, 15, 30, 30)
    assert moved.suggested_bbox == pytest.approx((60, 10, 30, 30), abs=2)
    assert results[moved.result]["score"] == pytest.approx(moved.prediction_score, abs=1e-4)


def test_sound_annotations_are_not_suspected():
    document, results = squares()
    assert not [e for e in find_label_errors(document, results, "segm") if e.score > 0.5]


def test_masks_tell_what_boxes_cannot():
    document, results = squares()
    frame = square(60, 10)
    inner = square(62, 12, 12, 28)
    annotation_of(document, 22).update({**inner, "bbox": frame["bbox"]})
    (first, *_) = find_label_errors(document, results, "segm")
    assert (first.kind, first.annotation_id) == ("badly placed", 22)
    assert not [e for e in find_label_errors(document, results, "bbox") if e.score > 0.5]


def test_boxes_alone_are_enough():
    document, results, wrong = with_errors()
    document["annotations"] = [{**a, "segmentation": None} for a in document["annotations"]]
    found = find_label_errors(document, boxes_only(results), "bbox")
    assert {each.kind: each.annotation_id for each in found[:4]} == wrong


def test_masks_without_boxes_are_enough():
    document, results, wrong = with_errors()
    results = [{k: v for k, v in each.items() if k != "bbox"} for each in results]
    found = find_label_errors(document, results, "segm")
    assert {each.kind: each.annotation_id for each in found[:4]} == wrong
    missing = next(each for each in found if each.kind == "missing")
    assert missing.suggested_bbox == pytest.approx((60, 10, 30, 30), abs=2)


def test_nothing_is_missing_in_a_crowd_of_its_class():
    document, results, _ = with_errors()
    region = {"id": 2000, "image_id": 2, "category_id": 7, "iscrowd": 1}
    document["annotations"].append({**region, **square(50, 0, 60, 60)})
    found = find_label_errors(document, results, "segm")
    assert not [each for each in found if each.image_id == 2 and each.kind == "missing"]
    document["annotations"][-1]["category_id"] = 3
    found = find_label_errors(document, results, "segm")
    assert [each for each in found if each.image_id == 2 and each.kind == "missing"]


def test_crowds_are_not_judged():
    document, results, _ = with_errors()
    annotation_of(document, 1000)["iscrowd"] = 1
    assert 1000 not in [e.annotation_id for e in find_label_errors(document, results, "segm")]


def test_classes_that_nobody_looked_for_are_not_missing():
    document, results, _ = with_errors()
    unknown = {2: frozenset({"dog"})}
    found = find_label_errors(document, results, "segm", unknown=unknown)
    assert "missing" not in [each.kind for each in found if each.score > 0.5]
    found = find_label_errors(document, results, "segm", unknown={2: frozenset({"cup"})})
    assert "missing" in [each.kind for each in found if each.score > 0.5]


def test_an_unfound_object_of_a_class_that_is_rarely_found_is_no_evidence():
    document, results = squares()
    kept = [r for i, r in enumerate(results) if r["category_id"] == 7 or i % 3 == 0]
    unfound = [e for e in find_label_errors(document, kept, "segm") if e.kind == "spurious"]
    cups = {e.annotation_id: e.score for e in unfound if e.category == "cup"}
    assert max(cups.values(), default=0) < 0.5
    extra = {"id": 1000, "image_id": 8, "category_id": 7, **square(*EMPTY), "iscrowd": 0}
    document["annotations"].append(extra)
    unfound = [e for e in find_label_errors(document, kept, "segm") if e.kind == "spurious"]
    assert unfound[0].annotation_id == 1000
    assert unfound[0].score > 2 * max(cups.values(), default=0)


def test_a_large_unfound_object_is_stronger_evidence_than_a_small_one():
    document, results = squares()
    for number in range(4, 300, 5):  # small ones, of which half are found
        annotation_of(document, number).update(square(10, 70, 8, 8))
    small = [r for r in results if r["bbox"][1] > 60 and r["bbox"][0] < 30]
    results = [r for r in results if r not in small]
    results += [{**r, **square(10, 70, 8, 8)} for r in small[::2]]
    document["annotations"].append(
        {"id": 1000, "image_id": 8, "category_id": 7, **square(*EMPTY), "iscrowd": 0}
    )
    unfound = [e for e in find_label_errors(document, results, "segm") if e.kind == "spurious"]
    assert unfound[0].annotation_id == 1000
    small_ones = [e.score for e in unfound if e.bbox and e.bbox[2] == 8]
    assert max(small_ones, default=0) < unfound[0].score / 2


def test_a_class_that_both_see_at_the_place_is_no_error():
    document, results, _ = with_errors()
    here = next(
        e.result for e in find_label_errors(document, results, "segm") if e.annotation_id == 13
    )
    both = [*results, {**results[here], "category_id": 3, "score": 0.99}]
    both[here] = {**results[here], "score": 0.6}
    scores = {e.annotation_id: e.score for e in find_label_errors(document, both, "segm")}
    assert scores.get(13, 0) < 0.1


@pytest.mark.parametrize("kind", ["segm", "bbox"])
def test_without_predictions_or_annotations_nothing_fails(kind):
    document, results, _ = with_errors(8)
    assert all(e.kind == "spurious" for e in find_label_errors(document, [], kind))
    without = {**document, "annotations": []}
    assert all(e.kind == "missing" for e in find_label_errors(without, results, kind))
    assert find_label_errors(without, [], kind) == ()
    assert find_label_errors({**without, "images": []}, [], kind) == ()


def test_the_order_of_the_file_does_not_matter():
    document, results, _ = with_errors()
    expected = find_label_errors(document, results, "segm")
    document["annotations"].reverse()
    document["images"].reverse()
    again = find_label_errors(document, results, "segm")
    assert {(e.kind, e.annotation_id, e.result): e.score for e in again} == pytest.approx(
        {(e.kind, e.annotation_id, e.result): e.score for e in expected}, abs=1e-3
    )


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_there_is_one_error_for_each_annotation_and_prediction(data):
    """Whatever annotations and predictions are like."""
    document, results, _ = with_errors(8)
    annotations = copy.deepcopy(document["annotations"])
    for each in data.draw(st.lists(st.sampled_from(annotations), max_size=12)):
        each["category_id"] = data.draw(st.sampled_from([3, 7]))
        x, y = data.draw(st.tuples(st.integers(0, 120), st.integers(0, 80)))
        each.update(square(x, y, data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))))
        each["iscrowd"] = data.draw(st.sampled_from([0, 0, 1]))
    score = st.floats(0, 1, allow_subnormal=False)
    results = [{**each, "score": data.draw(score)} for each in results]
    results += data.draw(st.lists(st.sampled_from(results), max_size=4))
    found = find_label_errors({**document, "annotations": annotations}, results, "segm")
    by_annotation = [e.annotation_id for e in found if e.annotation_id is not None]
    by_result = [e.result for e in found if e.result is not None]
    assert len(set(by_annotation)) == len(by_annotation)
    assert len(set(by_result)) == len(by_result)
    crowds = {each["id"] for each in annotations if each["iscrowd"]}
    assert not crowds & set(by_annotation)
    for each in found:
        assert LEAST_PROBABILITY <= each.score <= 1
        assert (each.annotation_id is None) == (each.kind == "missing") == (each.category is None)
        assert (each.result is None) == (each.kind == "spurious")
        if each.kind == "wrong class":
            assert each.category != each.suggested_category
        if each.kind == "badly placed":
            assert each.category == each.suggested_category


def test_evaluate_gives_the_ids_of_the_file(tmp_path):
    document, results, wrong = with_errors()
    for each in document["annotations"]:
        each["id"] += 5000
    path = tmp_path / "val.json"
    path.write_text(json.dumps(document))
    found = instseg.evaluate(path, results=results, label_errors=True, resamples=100)
    assert found.label_errors is not None
    ids = {e.kind: e.annotation_id and e.annotation_id - 5000 for e in found.label_errors[:4]}
    assert ids == wrong
    assert instseg.evaluate(path, results=results, resamples=100).label_errors is None


def test_evaluate_respects_what_nobody_looked_for(tmp_path):
    document, results, _ = with_errors()
    document["images"][1]["labelled"] = ["cup"]
    path = tmp_path / "val.json"
    path.write_text(json.dumps(document))
    found = instseg.evaluate(path, results=results, label_errors=True, resamples=100)
    assert "missing" not in [e.kind for e in found.label_errors or () if e.score > 0.5]
