import json

import numpy as np
import pytest
from round_trip import through

from instseg.files.image import read_image
from instseg.files.image_writing import write_image
from instseg.formats.convert import read_labels
from instseg.formats.photo_names import other_sizes, place_photo
from instseg.formats.registry import NAMES


def of_names(folder, names, size_wh=(16, 12)):
    """A COCO file of one object in each photo, whose folder is its split."""
    images, annotations = [], []
    for number, name in enumerate(names, start=1):
        pixels = np.full((12, 16, 3), 10 * number, dtype=np.uint8)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(folder / name, pixels)
        split = name.partition("/")[0] if "/" in name else ""
        width, height = size_wh
        image = {"id": number, "file_name": name, "width": width, "height": height}
        images.append({**image, **({"split": split} if split else {})})
        box = [1, 1, 4 + number, 5]
        ring = [1, 1, 5 + number, 1, 5 + number, 6, 1, 6]
        annotations.append(
            {"id": number, "image_id": number, "category_id": 1, "bbox": box, "iscrowd": 0}
            | {"segmentation": [ring], "area": box[2] * box[3]}
        )
    categories = [{"id": 1, "name": "cat"}]
    path = folder / "labels.json"
    content = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("names", [("train/a.png", "val/a.png"), ("a.png", "train/a.png")])
def test_photos_of_one_name_in_two_splits_are_two(tmp_path, name, names):
    source = of_names(tmp_path / "data", names)
    before = [read_image(tmp_path / "data" / each) for each in names]
    after = through(source, name, tmp_path / "out", images=tmp_path / "data")
    areas = [each["bbox"][2] for each in after.annotations]
    assert sorted(map(round, areas)) == [5, 6]
    assert len({each["image_id"] for each in after.annotations}) == 2
    for photo, pixels in zip(names, before, strict=True):
        np.testing.assert_array_equal(read_image(tmp_path / "data" / photo), pixels)


@pytest.mark.parametrize("copy", [False, True])
def test_a_photo_is_never_written_through_a_link(tmp_path, copy):
    labels = read_labels(of_names(tmp_path, ["a.png", "b.png"]))[0]
    before = (tmp_path / "a.png").read_bytes()
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    with pytest.raises(FileExistsError):
        place_photo(labels, labels.images[1], tmp_path / "link.png", copy=copy)
    assert (tmp_path / "a.png").read_bytes() == before


def test_photos_of_another_size_than_their_labels_are_told(tmp_path):
    assert other_sizes(read_labels(of_names(tmp_path, ["a.png"]))[0]) == ()
    (line,) = other_sizes(read_labels(of_names(tmp_path, ["a.png"], (12, 16)))[0])
    assert line.endswith("(1; first: a.png, 16 x 12, in the labels 12 x 16)")
