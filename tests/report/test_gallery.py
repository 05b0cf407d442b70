"""What the gallery writes: data, thumbnails, files beside the page."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from gallery_pages import (
    CATEGORIES,
    CLASSES,
    EVIL_NAME,
    SIZE_HW,
    block,
    pixels,
    three_photos,
    write_gallery,
)
from PIL import Image

from instseg.core.instances import Masks
from instseg.files.results import coco_annotations
from instseg.report.components import Layer, Photo


def text_of(path):
    return path.read_text(encoding="utf-8")


def picture_in(text, name):
    (code,) = re.findall(f'id="{name}">data:image/\\w+;base64,([^<]*)</script>', text)
    return Image.open(io.BytesIO(base64.b64decode(code)))


def test_the_data_hold_every_instance_exactly(tmp_path):
    photos = three_photos()
    text = text_of(write_gallery(tmp_path / "r.html", photos).html)
    index = block(text, "gallery-index")
    assert index["classes"] == list(CLASSES) and index["categories"] == list(CATEGORIES)
    assert [entry["name"] for entry in index["photos"]] == [photo.name for photo in photos]
    assert [entry["id"] for entry in index["photos"]] == [31, 12, 5]
    first = index["photos"][0]
    assert (first["classes"], first["scores"], first["others"]) == (
        [1, 2, 1],
        [0.9, 0.6, 0.3],
        [1, 2],
    )
    assert index["tags"] == {"worst": 2, "cell:cat:dog": 1}
    records = block(text, "gallery-data-1")
    truth, found = records[0]["layers"]
    assert [each["mark"] for each in truth["objects"]] == ["hit", "miss"]
    assert [each["key"] for each in truth["objects"]] == [7, 8]
    assert [each.get("note") for each in found["objects"]] == [None, "=1+1", None]
    instances = photos[0].layers[1].instances
    expected = coco_annotations(instances, CATEGORIES)
    assert [each["rle"] for each in found["objects"]] == [
        e["segmentation"]["counts"] for e in expected
    ]
    assert [each["box"] for each in found["objects"]] == [each["bbox"] for each in expected]
    assert [each["area"] for each in found["objects"]] == [each["area"] for each in expected]
    assert all(each["path"].count("z") == 2 for each in found["objects"])  # around it, and its hole


def test_pictures_have_no_metadata_and_thumbnails_are_small(tmp_path):
    image = np.zeros((900, 1200, 3), dtype=np.uint8)
    source = tmp_path / "in.jpg"
    exif = Image.Exif()
    exif[0x8825] = {1: "N"}  # where it was taken
    exif[0x0110] = "A camera"
    Image.fromarray(image).save(source, exif=exif)
    text = text_of(write_gallery(tmp_path / "r.html", [Photo(name="in.jpg", image=source)]).html)
    whole = picture_in(text, "gallery-picture-1")
    assert whole.size == (1200, 900) and not whole.getexif()
    small = picture_in(text, "gallery-thumbnail-1")
    assert small.size == (320, 240) and small.format == "WEBP"


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, [name for name, _ in attrs]))


def test_names_are_data_and_never_markup(tmp_path):
    def tags(name, line):
        photo = Photo(name=name, image=pixels(), lines=[line], tags=[line], values={line: 1.0})
        return Tags(text_of(write_gallery(tmp_path / "r.html", [photo]).html)).found

    assert tags("a.jpg", "b") == tags(EVIL_NAME, "</script><script>alert(1)</script><!--")


def test_names_of_files_that_are_no_utf8_are_kept_apart(tmp_path):
    names = [code.decode("utf-8", "surrogateescape") for code in (b"\xff.jpg", b"\xfe.jpg")]
    photos = [Photo(name=name, image=pixels()) for name in names]
    text = text_of(write_gallery(tmp_path / "r.html", photos).html)
    assert [each["name"] for each in block(text, "gallery-index")["photos"]] == names


def test_large_photos_lie_beside_the_page(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (2400, 2400, 3), dtype=np.uint8)
    photos = [Photo(name=f"{i}.jpg", image=noise) for i in range(8)]
    written = write_gallery(tmp_path / "r.html", photos)
    assert [path.relative_to(tmp_path).as_posix() for path in written.files] == [
        f"r_files/photos/0000{i}.jpg" for i in range(1, 9)
    ]
    index = block(text_of(written.html), "gallery-index")
    assert (index["pictures"], index["beside"]) == ("beside", False)
    for embed, kind in (("all", "page"), ("none", "")):
        again = write_gallery(tmp_path / "r.html", photos[:1], embed=embed)
        assert block(text_of(again.html), "gallery-index")["pictures"] == kind
        assert again.files == ()
        assert not (tmp_path / "r_files").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"r.html"}


def many(count):
    for number in range(count):
        yield Photo(name=f"{number}.png", image=np.full((4, 4, 3), number % 200, dtype=np.uint8))


def test_data_of_many_photos_lie_beside_the_page_unless_all_are_embedded(tmp_path):
    written = write_gallery(tmp_path / "r.html", many(401))
    folders = [path.parent.name for path in written.files]
    assert [folders.count(name) for name in ("thumbnails", "photos", "data")] == [401, 401, 17]
    text = text_of(written.html)
    assert len(block(text, "gallery-index")["photos"]) == 401
    assert "gallery-data-1" not in text.split('id="gallery-index"')[1].split("<script>")[0]
    first = text_of(tmp_path / "r_files" / "data" / "00001.js")
    assert first.startswith('galleryChunk(1,[{"layers":[]')
    assert "strict-dynamic" in text and "trusted-types instseg-gallery" in text
    whole = write_gallery(tmp_path / "all.html", many(401), embed="all")
    assert whole.files == ()
    assert "strict-dynamic" not in text_of(whole.html)
    assert not (tmp_path / "all_files").exists()


def test_photos_that_cannot_be_shown_are_listed_and_their_instances_kept(tmp_path):
    (tmp_path / "bad.jpg").write_text("no photo")
    layer = three_photos()[1].layers[0]
    photos = [
        Photo(name="bad.jpg", image=tmp_path / "bad.jpg", layers=[layer]),
        Photo(name="gone.jpg", image=tmp_path / "gone.jpg", layers=[layer]),
        Photo(name="other.jpg", image=np.zeros((9, 9, 3), dtype=np.uint8), layers=[layer]),
        Photo(name="good.jpg", image=pixels(), layers=[layer]),
    ]
    text = text_of(write_gallery(tmp_path / "r.html", photos).html)
    assert "3 of 4 photos cannot be shown" in text
    assert "bad.jpg: not an image" in text and "gone.jpg: no such file" in text
    assert "other.jpg: is a photo of 9 x 9 pixels, but its masks are of 64 x 48" in text
    entries = block(text, "gallery-index")["photos"]
    assert [each.get("lost", False) for each in entries] == [True, True, True, False]
    assert [each["classes"] for each in entries] == [[3]] * 4
    (rle,) = block(text, "gallery-data-1")[1]["layers"][0]["objects"]
    masks = Masks.from_rle([{"size": SIZE_HW, "counts": rle["rle"]}])
    np.testing.assert_array_equal(masks.dense(), layer.instances.masks.dense())


def test_names_are_unique(tmp_path):
    photos = [Photo(name="a.jpg", image=pixels())] * 2
    with pytest.raises(ValueError, match=r"'a\.jpg' twice"):
        write_gallery(tmp_path / "r.html", photos)
    assert list(tmp_path.iterdir()) == []


def test_instances_of_the_first_layer_count_where_none_is_of_predictions(tmp_path):
    truth = Layer(name="truth", instances=three_photos()[1].layers[0].instances)
    photo = Photo(name="a.jpg", image=pixels(), layers=[truth])
    index = block(text_of(write_gallery(tmp_path / "r.html", [photo]).html), "gallery-index")
    assert index["photos"][0]["classes"] == [3]
    assert index["main"] == ""
