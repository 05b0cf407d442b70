import json

import numpy as np
import pytest
from coco_documents import SIZE_HW, donut, rle
from round_trip import assert_same, through

from instseg import convert
from instseg.files.image import read_image
from instseg.files.image_writing import write_image
from instseg.formats.convert import read_labels
from instseg.formats.labels import Labels
from instseg.formats.shapes import mask_of

HEIGHT, WIDTH = SIZE_HW


def panoptic(folder, ids, infos, *, name="a.png"):
    """A dataset of one photo, laid out as COCO's own."""
    image = {"id": 5, "file_name": "a.jpg", "height": HEIGHT, "width": WIDTH}
    document = {
        "images": [image],
        "categories": [
            {"id": 1, "name": "person", "isthing": 1, "color": [220, 20, 60]},
            {"id": 119, "name": "grass", "isthing": 0, "supercategory": "plant"},
        ],
        "annotations": [{"image_id": 5, "file_name": name, "segments_info": infos}],
    }
    (folder / "annotations").mkdir(parents=True)
    source = folder / "annotations" / "panoptic_val2017.json"
    source.write_text(json.dumps(document))
    colours = (np.asarray(ids)[..., None] // [1, 256, 65536] % 256).astype(np.uint8)
    write_image(source.with_suffix("") / "a.png", colours)
    return source


def info(number, category, **more):
    return {"id": number, "category_id": category, "iscrowd": 0, **more}


def two_segments():
    ids = np.zeros(SIZE_HW, dtype=np.int64)
    ids[30:] = 70_000
    ids[donut()] = 3_937_500
    return ids


def test_things_and_stuff_are_read_with_their_holes(tmp_path):
    ids = two_segments()
    source = panoptic(tmp_path, ids, [info(3_937_500, 1), info(70_000, 119)])
    labels, read_as = read_labels(tmp_path / "annotations")
    assert read_as.name == "coco-panoptic"
    assert [c.get("isthing") for c in labels.categories] == [1, 0]
    thing, stuff = labels.annotations
    assert (mask_of(thing, SIZE_HW).dense(0) == donut()).all()
    assert (mask_of(stuff, SIZE_HW).dense(0) == (ids == 70_000)).all()
    assert thing["id"] == 3_937_500
    after = through(source, "coco-panoptic", tmp_path / "again")
    assert_same(labels, after, iou=1.0)
    assert [c["isthing"] for c in after.categories] == [1, 0]


def test_crowds_stay_crowds(tmp_path):
    source = panoptic(tmp_path, two_segments(), [info(70_000, 1, iscrowd=1)])
    after = through(source, "coco-panoptic", tmp_path / "again")
    assert [a["iscrowd"] for a in after.annotations] == [1]


def test_odd_segments_are_left_out_and_told(tmp_path):
    infos = [info(70_000, 1), info(4, 1), info(5, 999), "text"]
    source = panoptic(tmp_path, two_segments(), infos)
    labels, _ = read_labels(source)
    assert [a["id"] for a in labels.annotations] == [70_000]
    notes = "\n".join(labels.notes)
    assert "segments without pixels: left out (1;" in notes
    assert "segments of no known class: left out (2;" in notes
    assert "colours that are no segment: left out (1;" in notes


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.zeros(SIZE_HW, np.uint8), "not RGB"),
        (np.zeros((5, 6, 3), np.uint8), "of another size"),
        (None, "not there"),
    ],
)
def test_a_png_of_another_kind_is_told(tmp_path, pixels, words):
    source = panoptic(tmp_path, two_segments(), [info(70_000, 1)])
    path = source.with_suffix("") / "a.png"
    path.unlink()
    if pixels is not None:
        write_image(path, pixels)
    labels, _ = read_labels(source)
    assert len(labels.images) == 1
    assert not labels.annotations
    assert words in labels.notes[0]


def test_a_name_that_leads_out_is_not_opened(tmp_path):
    source = panoptic(tmp_path, two_segments(), [info(70_000, 1)], name="../../a.png")
    write_image(tmp_path / "a.png", np.zeros((*SIZE_HW, 3), np.uint8))
    labels, _ = read_labels(source)
    assert "not there" in labels.notes[0]


def test_what_overlaps_is_told_and_the_smaller_is_in_front(tmp_path):
    from instseg.formats.coco_panoptic import write
    from instseg.formats.format import Writing

    small, large = np.zeros(SIZE_HW, bool), np.zeros(SIZE_HW, bool)
    small[10:20, 10:20] = large[5:40, 5:40] = True
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": HEIGHT, "width": WIDTH}],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": 1, "iscrowd": 0, "segmentation": rle(mask)}
            for n, mask in ((1, small), (2, large))
        ],
    }
    writing = Writing()
    write(Labels(document=document), tmp_path, writing)
    ids = read_image(tmp_path / "panoptic" / "a.png")[..., 0]
    assert (ids == np.where(small, 1, np.where(large, 2, 0))).all()
    assert any("objects partly hidden by others: cut (1;" in note for note in writing.notes.lines())


def test_real_photos_come_back_but_for_what_is_hidden(coco_dir, tmp_path):
    source = coco_dir / "annotations" / "instances_val2017.json"
    first = convert(source, tmp_path / "one", to="coco-panoptic")
    before, _ = read_labels(first.path)
    assert_same(before, through(first.path, "coco-panoptic", tmp_path / "two"), iou=1.0)
