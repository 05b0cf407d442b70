"""`instseg.examine` with labels of any format."""

import pytest
from coco_documents import sound, write_json, write_photos

from instseg import InputError, convert, examine


@pytest.fixture
def yolo(tmp_path):
    """A YOLO dataset with the splits train, of three photos, and val, of two of them."""
    photos = write_photos(tmp_path / "photos")
    document = sound()
    for image in document["images"]:
        image["split"] = "val" if image["id"] > 10 else "train"
    source = write_json(tmp_path / "a.json", document)
    write_photos(photos, images=1, seed=1)  # unlike the others
    (photos / "20.png").write_bytes((photos / "10.png").read_bytes())
    return convert(source, tmp_path / "yolo", to="yolo", images=photos).path


def test_a_split_is_examined_beside_the_validation_set(yolo, tmp_path):
    told = []
    seen = examine(data=yolo, report=tmp_path / "report.html", on_event=told.append)
    assert seen.coco_json == yolo
    assert seen.statistics["images"] == 1
    assert "photo-in-val" in {each.code for each in seen.findings}
    assert seen.report.is_file()
    assert any("checks the split train" in getattr(event, "text", "") for event in told)
    other = write_json(tmp_path / "val.json", sound(1))
    codes = {each.code for each in examine(data=yolo, val_coco_json=other).findings}
    assert "categories-differ" in codes


def test_one_dataset_is_named(yolo):
    for given in ({}, {"coco_json": "a.json", "data": yolo}):
        with pytest.raises(InputError, match="say what to check: coco_json or data"):
            examine(**given)
    with pytest.raises(InputError, match="val_images needs val_coco_json"):
        examine(data=yolo, val_images="photos")
