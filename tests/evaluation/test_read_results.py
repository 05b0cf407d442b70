"""Results of files and lists, brought to the ids of a dataset."""

import json

import pytest

from instseg.core.errors import InputError
from instseg.data.coco import CocoData
from instseg.evaluation.read_results import measurable_kinds, results_of, shared_classes

SQUARE = [10, 10, 20, 10, 20, 20, 10, 20]


@pytest.fixture
def data(tmp_path):
    """Two photos and two classes."""
    names = ["photos\\a.jpg", "photos\\b.jpg"]
    document = {
        "images": [
            {"id": 7 + i, "file_name": n, "height": 40, "width": 60} for i, n in enumerate(names)
        ],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "segmentation": [SQUARE]}],
        "categories": [{"id": 3, "name": "cup"}, {"id": 5, "name": "plate"}],
    }
    (tmp_path / "truth.json").write_text(json.dumps(document))
    return CocoData.read(tmp_path / "truth.json", tmp_path)


def written(folder, names, classes):
    """A document as `infer` writes it, with an object of each class in each photo."""
    document = {
        "images": [{"id": i, "file_name": name} for i, name in enumerate(names)],
        "categories": [{"id": k, "name": name} for k, name in enumerate(classes)],
        "annotations": [
            {"image_id": i, "category_id": k, "score": 0.5, "bbox": [1, 1, 5, 5]}
            for i in range(len(names))
            for k in range(len(classes))
        ],
    }
    path = folder / "predictions.json"
    path.write_text(json.dumps(document))
    return path


def test_photos_are_matched_by_file_and_classes_by_name(data, tmp_path):
    """Also where a program on Windows has written the dataset."""
    path = written(tmp_path, ["b.jpg", "a.jpg"], ["plate", "fork", "cup"])
    found = results_of(path, data, name=str(path))
    assert [(r["image_id"], r["category_id"]) for r in found] == [(8, 5), (8, 3), (7, 5), (7, 3)]


@pytest.mark.parametrize("image_id", [7, 7.0, "7"])
def test_ids_may_be_as_tables_write_them(data, image_id):
    given = {"image_id": image_id, "category_id": 3.0, "score": 0.5, "bbox": [0, 0, 1, 1]}
    (found,) = results_of([given], data, name="results")
    assert (found["image_id"], found["category_id"]) == (7, 3)
    assert type(found["image_id"]) is int
    assert type(given["category_id"]) is float  # untouched


def test_missing_photos_and_classes_are_told(data, tmp_path):
    events = []
    path = written(tmp_path, ["a.jpg"], ["cup"])
    assert len(results_of(path, data, name=str(path), on_event=events.append)) == 1
    assert [event.text for event in events] == [
        f"{path}: does not know 1 of the dataset's 2 classes, which count as never found: plate",
        f"{path}: has 1 of the dataset's 2 photos, by their file names; in the others all objects "
        "count as missed",
    ]
    with pytest.raises(InputError, match=r"none of the dataset's photos; .* it has z\.jpg"):
        results_of(written(tmp_path, ["z.jpg"], ["cup"]), data, name="")
    with pytest.raises(InputError, match="it knows fork, the dataset has cup, plate"):
        results_of(written(tmp_path, ["a.jpg"], ["fork"]), data, name="")


def test_broken_documents_are_named(data, tmp_path):
    path = written(tmp_path, ["a.jpg"], ["cup", "plate"])
    document = json.loads(path.read_text())
    document["annotations"][1]["category_id"] = "plate"
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"predictions\.json: annotations\[1\]: .* category_id"):
        results_of(path, data, name=str(path))


def test_polygons_become_masks_of_the_photo(data):
    given = [{"image_id": 7, "segmentation": [SQUARE]}, {"image_id": 99, "segmentation": [SQUARE]}]
    found = results_of(given, data, name="results")
    assert found[0]["segmentation"]["size"] == [40, 60]
    assert found[1]["segmentation"]["counts"] == [1]  # of no photo, so an empty one
    assert given[0]["segmentation"] == [SQUARE]


def test_what_both_hold_is_measured(data):
    truth = data.document()

    def kinds(results, boundary=False):
        return measurable_kinds(
            truth, results, boundary=boundary, coco_json=data.coco_json, name="results"
        )

    box, mask = {"bbox": [1, 1, 5, 5]}, {"segmentation": {}}
    assert kinds([box]) == ["bbox"]
    assert kinds([mask]) == ["segm"]
    assert kinds([box | mask], boundary=True) == ["bbox", "segm", "boundary"]
    assert kinds([]) == ["bbox"]
    truth["annotations"] *= 2
    truth["annotations"][1] = {**truth["annotations"][0], "segmentation": None}
    with pytest.raises(InputError, match="1 annotation without an outline, for example of image 7"):
        kinds([mask])


def test_shared_classes_keep_the_order_of_the_model():
    assert shared_classes(["cup", "BG", "cat"], ["cat", "cup"], "model") == ["cup", "cat"]
