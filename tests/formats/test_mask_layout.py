"""Masks that were written with copies of photos of any names, and read again."""

import json

import numpy as np
import pytest
from coco_documents import annotation

from instseg import convert
from instseg.files.image_writing import write_image
from instseg.formats.convert import read_labels

SIZE_HW = (60, 80)


def dataset(folder, names):
    """Photos of noise, the first two with one object each."""
    rng = np.random.default_rng(0)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(folder / name, rng.integers(0, 255, (*SIZE_HW, 3), dtype=np.uint8))
    images = [
        {"id": n, "file_name": name, "height": 60, "width": 80} for n, name in enumerate(names, 1)
    ]
    ring = [10, 5, 40, 5, 40, 25, 10, 25]
    objects = [annotation(n, n, 1, [ring], [10, 5, 30, 20], 600) for n in (1, 2)]
    document = {
        "images": images,
        "annotations": objects,
        "categories": [{"id": 1, "name": "cup"}],
    }
    (folder / "annotations.json").write_text(json.dumps(document))
    return folder / "annotations.json"


def with_objects(labels):
    """Which photos have an object."""
    return {image["file_name"]: len(labels.by_image()[image["id"]]) for image in labels.images}


@pytest.mark.parametrize("name", ["instance-png", "label-map"])
@pytest.mark.parametrize(
    "photos",
    [
        ("labels/a.png", "a/masks/b.png", "gt/i.png", "Annotations/a.png"),
        ("a.png", "labels/a.png", "masks/a.png", "images/a.png"),
        ("SegmentationObject/a.png", "b.png", "c.png"),
        ("a_instanceIds.png", "b_instanceIds.png", "c.png"),
        ("a_masks.png", "b_instances.png"),
        ("a/images/a.png", "b/images/b.png", "b/masks/c.png"),
    ],
)
def test_photos_of_any_name(tmp_path, photos, name):
    source = dataset(tmp_path / "in", photos)
    convert(source, tmp_path / "copies", to=name, copy_photos=True)
    labels, read_as = read_labels(tmp_path / "copies")
    assert read_as.name == name
    assert with_objects(labels) == {f"images/{photo}": photo in photos[:2] for photo in photos}
    convert(source, tmp_path / "masks", to=name)
    labels, read_as = read_labels(tmp_path / "masks", tmp_path / "in")
    assert read_as.name == name
    assert with_objects(labels) == {photo: photo in photos[:2] for photo in photos}


@pytest.mark.parametrize("name", ["instance-png", "label-map"])
def test_many_small_objects(tmp_path, name):
    source = dataset(tmp_path, ["a.png", "b.png"])
    document = json.loads(source.read_text())
    document["annotations"] = [
        annotation(n + 1, 1, 1, [[x, y, x + 2, y, x + 2, y + 2, x, y + 2]], [x, y, 2, 2], 4)
        for n, (x, y) in enumerate((x, y) for x in range(0, 78, 3) for y in range(0, 58, 3))
    ]
    source.write_text(json.dumps(document))
    convert(source, tmp_path / "out", to=name)
    labels, read_as = read_labels(tmp_path / "out")
    assert (read_as.name, len(labels.annotations)) == (name, len(document["annotations"]))
