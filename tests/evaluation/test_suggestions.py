"""Likely label errors as changes of the dataset."""

import json

import pytest
from labelled_squares import annotation_of, with_errors, write_squares

import instseg
from instseg.core.events import Warned
from instseg.evaluation.label_errors import label_errors_of
from instseg.evaluation.suggestions import Suggested


def suggested(folder, document, results):
    path = folder / "val.json"
    path.write_text(json.dumps(document))
    data = instseg.CocoData.read(path, folder)
    kind = "segm" if any(e.get("segmentation") for e in results) else "bbox"
    errors = label_errors_of(data, data.document(), results, kind)
    return Suggested(data=data, errors=errors, results=results)


def by_kind(found, document):
    names = {image["id"]: image["file_name"] for image in document["images"]}
    return {each.kind: each for each in found.suggestions(names)[:4]}


def test_each_kind_becomes_a_change(tmp_path):
    document, results, wrong = with_errors()
    found = suggested(tmp_path, document, results)
    first = by_kind(found, document)
    missing = first["missing"]
    assert (missing.photo, missing.layer, missing.text) == (
        "2.png",
        "suggestion",
        "dog without an annotation",
    )
    (added,) = missing.add
    assert (added["image_id"], added["category_id"], added["iscrowd"]) == (2, 7, 0)
    assert added["bbox"] == pytest.approx([60, 10, 30, 30], abs=2)
    assert added["area"] == added["bbox"][2] * added["bbox"][3]
    assert "id" not in added and not missing.remove and not missing.change
    assert missing.key in [key for key, _ in found.shown[2]]
    spurious = first["spurious"]
    assert (spurious.remove, spurious.layer, spurious.key) == ([1000], "truth", 1000)
    assert first["wrong class"].change == {wrong["wrong class"]: {"category_id": 7}}
    assert first["wrong class"].text == "dog, not cup"
    (moved,) = first["badly placed"].change.values()
    assert set(moved) == {"segmentation", "bbox", "area"}
    assert moved["bbox"] == pytest.approx([60, 10, 30, 30], abs=2)
    json.dumps([missing.add, moved])  # plain values


def test_boxes_are_changed_where_the_dataset_has_no_masks(tmp_path):
    document, results, _ = with_errors()
    for each in [*document["annotations"], *results]:
        del each["segmentation"]
    first = by_kind(suggested(tmp_path, document, results), document)
    (moved,) = first["badly placed"].change.values()
    assert moved["segmentation"] == [] and moved["area"] == moved["bbox"][2] * moved["bbox"][3]


def test_results_without_masks_give_no_shapes_to_a_dataset_with_masks(tmp_path):
    document, results, _ = with_errors()
    boxes = [{k: v for k, v in each.items() if k != "segmentation"} for each in results]
    found = suggested(tmp_path, document, boxes)
    assert {each.kind for each in found.errors[:4]} > {"missing", "badly placed"}
    assert {each.kind for each in found.chosen} == {"spurious", "wrong class"}


def test_an_id_that_occurs_twice_is_not_changed(tmp_path):
    document, results, _ = with_errors()
    annotation_of(document, 13)["id"] = 22
    path = write_squares(tmp_path, document)
    said = []
    found = instseg.evaluate(
        path,
        tmp_path / "photos",
        results=results,
        label_errors=True,
        report=True,
        out=tmp_path / "out",
        plots=False,
        resamples=100,
        on_event=said.append,
    )
    assert 22 in [each.annotation_id for each in found.label_errors]
    words = [event.text for event in said if isinstance(event, Warned)]
    assert any("1 annotation id more than once" in text for text in words)
    data = instseg.CocoData.read(path, tmp_path / "photos")
    errors = found.label_errors
    chosen = Suggested(data=data, errors=errors, results=results).chosen
    assert 22 not in [each.annotation_id for each in chosen]
