"""What the doctor finds between a dataset and its photos, and how it is repaired."""

import json

import numpy as np
import pytest
from coco_documents import RECTANGLE, annotation, rle, sound, write_json, write_photos
from PIL import Image

from instseg.doctor.examine import examine, examine_document, survey
from instseg.doctor.mend import mend
from instseg.files.image import read_image

USUAL = {"class-few"}


@pytest.fixture
def folder(tmp_path):
    return write_photos(tmp_path / "photos")


def check(document, folder, **options):
    around = survey(document, folder, **options)
    seen = examine_document(document, around)
    healed, _ = mend(seen)
    assert not healed.count("error")
    return {each.code: each for each in seen.findings if each.code not in USUAL}, healed


def image_ids(healed):
    return [image["id"] for image in healed.document["images"]]


def test_photos_of_their_own_have_no_findings(folder):
    assert check(sound(), folder)[0] == {}


def test_a_missing_photo_is_dropped_with_its_objects(folder):
    (folder / "20.png").unlink()
    found, healed = check(sound(), folder)
    assert found["photo-missing"].ids == (20,)
    assert image_ids(healed) == [10, 30]
    assert {a["image_id"] for a in healed.document["annotations"]} == {10, 30}


def test_a_wrong_folder_is_suspected(tmp_path):
    (tmp_path / "empty").mkdir()
    found, _ = check(sound(), tmp_path / "empty")
    assert found["photo-missing"].count == 3
    assert "is" in found["photo-missing"].message and "empty" in found["photo-missing"].message


@pytest.mark.parametrize(
    "name", ["../photos/10.png", "/etc/passwd", "C:\\x.png", "a/../../b.png", "\\\\host\\x"]
)
def test_names_that_lead_out_are_not_opened(folder, name):
    document = sound()
    document["images"][0]["file_name"] = name
    found, healed = check(document, folder)
    assert found.keys() == {"file-outside-folder"}
    assert image_ids(healed) == [20, 30]


@pytest.mark.parametrize(
    "name", ["sub/../10.png", "./10.png", "a\0b.png", "\u202e.png", "x" * 5000]
)
def test_odd_names_do_no_harm(folder, name):
    document = sound()
    document["images"][0]["file_name"] = name
    found, _ = check(document, folder)
    assert found.keys() <= {"photo-missing"}


@pytest.mark.parametrize("content", [b"", b"no photo at all", "cut off"])
def test_a_damaged_photo_is_found(folder, content):
    path = folder / "20.png"
    path.write_bytes(path.read_bytes()[:-300] if content == "cut off" else content)
    found, healed = check(sound(), folder)
    assert found["photo-unreadable"].ids == (20,)
    assert "20.png" in found["photo-unreadable"].message
    assert image_ids(healed) == [10, 30]


def test_headers_tell_sizes_but_no_damage(folder):
    (folder / "20.png").write_bytes((folder / "20.png").read_bytes()[:-300])
    document = sound()
    document["images"][2]["width"] = 81
    found, _ = check(document, folder, photos="headers")
    assert found.keys() == {"size-other", "rle-size"}
    assert "80 x 60, stated 81 x 60" in found["size-other"].message
    assert check(sound(), folder, photos="no")[0] == {}


def test_exchanged_sides_are_set_right(folder):
    document = sound()
    document["images"][0].update(width=60, height=80)
    document["annotations"] = [annotation(1, 10, 3, [RECTANGLE], [10, 5, 30, 20], 600)]
    found, healed = check(document, folder)
    assert found["size-swapped"].ids == (10,)
    assert healed.table.image(10)["width"] == 80
    assert healed.statistics["objects"] == 1


def write_turned(folder, orientation):
    """10.jpg as a camera writes it: stored lying, 80 x 60, with a grey block under RECTANGLE."""
    pixels = np.full((60, 80, 3), 250, np.uint8)
    pixels[5:25, 10:40] = 50
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(pixels).save(folder / "10.png", exif=exif)


def turned_document(width, height):
    document = sound()
    document["images"] = [{"id": 10, "file_name": "10.png", "width": width, "height": height}]
    document["annotations"] = [annotation(1, 10, 3, [RECTANGLE], [10, 5, 30, 20], 600)]
    return document


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("kind", ["polygons", "rle"])
@pytest.mark.parametrize("certain", [True, False])
def test_masks_of_the_unturned_photo_are_turned_with_it(folder, orientation, kind, certain):
    write_turned(folder, orientation)
    document = turned_document(80, 60)
    wide = annotation(2, 10, 3, [[0, 30, 79, 30, 79, 40, 0, 40]], [0, 30, 79, 10], 790)
    document["annotations"] += [wide] * certain  # would not fit the upright photo
    if kind == "rle":
        dark = np.zeros((60, 80), bool)
        dark[5:25, 10:40] = True
        document["annotations"][0]["segmentation"] = rle(dark)
    found, healed = check(document, folder)
    assert "EXIF" in found["size-exif"].message
    record = healed.table.image(10)
    assert (record["width"], record["height"]) == (60, 80)
    x, y, w, h = (round(v) for v in healed.document["annotations"][0]["bbox"])
    dark = read_image(folder / "10.png")[..., 0] < 100
    assert dark[y : y + h, x : x + w].all() and dark.sum() == w * h


def test_masks_of_the_upright_photo_stay(folder):
    write_turned(folder, 6)
    document = turned_document(80, 60)
    low = annotation(2, 10, 3, [[5, 60, 50, 60, 50, 79, 5, 79]], [5, 60, 45, 19], 855)
    document["annotations"].append(low)  # is below the end of the unturned photo
    _, healed = check(document, folder)
    after = healed.document
    assert (after["images"][0]["width"], after["images"][0]["height"]) == (60, 80)
    assert [a["segmentation"] for a in after["annotations"]] == [
        a["segmentation"] for a in document["annotations"]
    ]


def test_a_stated_upright_size_is_a_note(folder):
    write_turned(folder, 6)
    found, _ = check(turned_document(60, 80), folder)
    assert found.keys() - {"class-empty"} == {"exif-rotation"}


def test_copies_and_look_alikes_in_a_set(folder):
    (folder / "20.png").write_bytes((folder / "10.png").read_bytes())
    Image.open(folder / "10.png").save(folder / "30.png", compress_level=1)
    found, _ = check(sound(), folder)
    assert found["photo-twice"].ids == (20,)
    assert found["photo-similar"].ids == (30,)
    assert "'30.png' and '10.png'" in found["photo-similar"].message


def test_photos_of_the_validation_set_are_dropped(tmp_path, folder):
    val_folder = write_photos(tmp_path / "val", seed=1)
    (val_folder / "30.png").write_bytes((folder / "10.png").read_bytes())
    Image.open(folder / "20.png").point(lambda v: 0.9 * v + 10).save(val_folder / "20.png")
    found, healed = check(sound(), folder, val=(sound(), val_folder))
    assert found["photo-in-val"].ids == (10,)
    assert found["photo-in-val"].severity == "error"
    assert found["photo-like-val"].ids == (20,)
    assert image_ids(healed) == [20, 30]


def test_real_photos_are_found_again_when_compressed_and_smaller(coco_dir, tmp_path):
    path = coco_dir / "annotations" / "instances_val2017.json"
    document = json.loads(path.read_bytes())
    document["annotations"] = []
    document["images"] = document["images"][:20]
    copies = json.loads(json.dumps(document))
    for record in copies["images"]:
        record.update(width=record["width"] // 2, height=record["height"] // 2)
        with Image.open(coco_dir / "val2017" / record["file_name"]) as photo:
            small = photo.resize((record["width"], record["height"]))
            small.save(tmp_path / record["file_name"], quality=60)
    train = write_json(tmp_path / "train.json", copies)
    val = write_json(tmp_path / "val.json", document)
    seen = examine(train, tmp_path, val_coco_json=val, val_images=coco_dir / "val2017")
    assert next(f.count for f in seen.findings if f.code == "photo-like-val") >= 19
