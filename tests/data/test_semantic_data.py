"""COCO datasets as semantic maps, and what is measured of any data."""

import pickle

import numpy as np
import pytest
from coco_documents import crowd, donut, sound, write_json, write_photos
from hypothesis import given, settings
from hypothesis import strategies as st

from instseg.core.errors import InputError
from instseg.core.semantic import to_semantic
from instseg.data.coco import CocoData
from instseg.data.mask_folders import MaskData
from instseg.data.semantic_data import CocoSemantic, Statistics, Subset, statistics
from instseg.data.split import split


def coco(folder, document=None, **options):
    write_photos(folder)
    write_json(folder / "data.json", document or sound())
    return CocoSemantic(data=CocoData.read(folder / "data.json", folder), **options)


def val2017(folder, **options):
    path = folder / "annotations" / "instances_val2017.json"
    return CocoSemantic(data=CocoData.read(path, folder / "val2017"), **options)


def test_objects_and_crowds_become_labels(tmp_path):
    data = coco(tmp_path)
    assert (data.class_names, data.category_ids) == (("BG", "cup", "dog"), (0, 3, 7))
    assert [data.name(i) for i in range(len(data))] == ["10.png", "20.png", "30.png"]
    image, labels = data.load(1)
    assert image.shape == (60, 80, 3)
    assert (labels[6:24, 12:38] == 1).all()
    assert (labels[donut()] == 2).all()
    assert (labels[crowd() & ~donut()] == 255).all()


def test_labels_are_the_same_again_and_in_another_process(tmp_path):
    data = coco(tmp_path)
    first = data.load(0)[1]
    before = first.copy()
    first[:] = 9  # whoever has it may change it
    assert np.array_equal(data.load(0)[1], before)
    assert np.array_equal(pickle.loads(pickle.dumps(data)).load(0)[1], before)


def test_the_rule_says_which_object_is_on_top(tmp_path):
    document = sound()
    cup, dog = document["annotations"][:2]
    dog["segmentation"] = [[0, 0, 50, 0, 50, 50, 0, 50]]  # a large dog, after the small cup
    document["annotations"] = [cup, dog]
    assert coco(tmp_path, document).load(0)[1][10, 20] == 1
    first = coco(tmp_path, document, rule="class-priority", priority=["dog"])
    assert first.load(0)[1][10, 20] == 2


@pytest.mark.parametrize(
    ("document", "options", "said"),
    [
        (sound(), {"rule": "largest"}, "rule='largest' must be one of"),
        (sound(), {"rule": "class-priority", "priority": ["cow"]}, r"got \['cow'\]"),
        (sound(images=0), {}, "has no images"),
        (
            sound() | {"categories": [{"id": i, "name": str(i)} for i in range(300)]},
            {},
            "at most 254 classes",
        ),
    ],
)
def test_what_makes_no_semantic_maps_is_refused(tmp_path, document, options, said):
    with pytest.raises(InputError, match=rf"data\.json: .*{said}"):
        coco(tmp_path, document, **options)


def test_real_photos(coco_dir):
    data = val2017(coco_dir)
    for row in range(0, len(data), 8):
        for _ in range(2):
            image, labels = data.load(row)
            assert image.shape[:2] == labels.shape
            objects, crowds = data.data.objects(row), data.data.crowds(row)
            expected = to_semantic(objects, rule="smallest-on-top", ignore=crowds)
            assert np.array_equal(labels, expected)


def test_a_split_parts_photos(coco_dir):
    data = val2017(coco_dir)
    parted = split(map(data.name, range(len(data))), 0.2, 0)
    train, val = Subset.named(data, parted.train), Subset.named(data, parted.val)
    assert len(train) + len(val) == len(data)
    assert len(val) == round(0.2 * len(data))  # 16 of the 79 real photos
    assert sorted(val.name(i) for i in range(len(val))) == parted.val
    assert all(
        np.array_equal(*two) for two in zip(val.load(3), data.load(val.rows[3]), strict=True)
    )
    assert (val.class_names, val.category_ids) == (data.class_names, data.category_ids)


def test_every_wrong_photo_and_annotation_is_named(tmp_path):
    document = sound()
    document["annotations"][0]["segmentation"] = [[1, 2]]
    document["annotations"][4]["segmentation"] = [[1, 2]]
    data = coco(tmp_path, document)
    (tmp_path / "30.png").unlink()
    with pytest.raises(InputError) as caught:
        statistics(data)
    said = str(caught.value)
    assert said.startswith("3 of 3 images cannot be used: ")
    assert "annotation 101, of image 10: " in said
    assert "(2 such: 10.png, 20.png)" in said
    assert "30.png: no such file" in said
    assert len(statistics(coco(tmp_path), [2]).pixels) == 1


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.integers(1, 3), st.sampled_from([1, 1e6]), st.data())
def test_statistics_are_those_of_all_pixels(tmp_path_factory, seed, channels, offset, data):
    folder = tmp_path_factory.mktemp("arrays")
    rng = np.random.default_rng(seed)
    pixels, classes = [], []
    for name in "abc":
        size_hw = rng.integers(1, 9, 2)
        image = (rng.normal(0, 3, (*size_hw, channels)) + offset).astype(np.float32)
        labels = rng.choice([0, 1, 2, 255], size_hw)
        for kind, array in (("images", image), ("masks", labels)):
            (folder / kind).mkdir(exist_ok=True)
            np.save(folder / kind / f"{name}.npy", array)
        pixels.append(image.reshape(-1, channels).astype(np.float64))
        classes.append([(labels == i).sum() for i in range(4)])
    values = {0: "BG", 1: "a", 2: "b", 3: "c"}
    source = MaskData.read(folder / "images", folder / "masks", values=values)
    rows = data.draw(st.lists(st.sampled_from([0, 1, 2]), min_size=1, unique=True))
    whole = statistics(source)
    for found in (statistics(source, iter(rows)), whole[rows]):
        assert isinstance(found, Statistics)
        together = np.concatenate([pixels[row] for row in rows])
        assert found.mean == pytest.approx(together.mean(axis=0), rel=1e-12)
        assert found.std == pytest.approx(together.std(axis=0), rel=1e-9, abs=1e-9)
        assert found.pixels.sum() == len(together)
        assert np.array_equal(found.class_pixels, [classes[row] for row in rows])


def test_crowds_of_a_document_count_in_no_class(tmp_path):
    found = statistics(coco(tmp_path))
    ignored = (crowd() & ~donut()).sum()
    assert (found.class_pixels.sum(axis=1) == found.pixels - ignored).all()
