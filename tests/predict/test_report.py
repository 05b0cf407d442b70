"""The report of a run of predictions."""

import json
from pathlib import Path

import numpy as np
import pytest
from gallery_pages import block
from stand_in import TINY_CARD, stand_in_model

from instseg.core.errors import ArgumentError
from instseg.core.events import Progress
from instseg.files.image_writing import write_image
from instseg.predict.folder import predict_folder
from instseg.predict.photos import name_photos
from instseg.predict.pictures import Pictures
from instseg.predict.predictor import Predictor
from instseg.predict.report import PixelSize
from instseg.scenes.scene import draw_scene

NO_PICTURES = Pictures(overlay=False)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Four photos; one of them is damaged."""
    folder = tmp_path_factory.mktemp("photos")
    scene = draw_scene(0).image
    for i in range(3):
        write_image(folder / f"{i}.png", scene[: 100 + i, :120])
    (folder / "bad.jpg").write_text("no photo")
    return folder


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    model = stand_in_model(TINY_CARD)
    return Predictor(model, device="cpu", precision="fp32", score_threshold=0.3)


def run(predictor, paths, out, **options):
    photos = name_photos(sorted(paths))
    return predict_folder(predictor, photos, out, pictures=NO_PICTURES, report=True, **options)


def text_of(out: Path) -> str:
    return (out / "report.html").read_text(encoding="utf-8")


def annotations_in(text: str) -> list[dict]:
    """The instances of a report as annotations."""
    index = block(text, "gallery-index")
    return [
        {
            "image_id": photo["id"],
            "category_id": index["categories"][each["class"]],
            "segmentation": {"size": [photo["height"], photo["width"]], "counts": each["rle"]},
            "area": each["area"],
            "bbox": each["box"],
            "score": each["score"],
            "iscrowd": 0,
        }
        for photo, record in zip(index["photos"], block(text, "gallery-data-1"), strict=True)
        for layer in record["layers"]
        for each in layer["objects"]
    ]


def annotations_of(out: Path) -> list[dict]:
    document = json.loads((out / "predictions.json").read_text())
    return [
        {name: value for name, value in each.items() if name not in ("id", "rle")}
        | ({"segmentation": each["rle"]} if "rle" in each else {})
        for each in document["annotations"]
    ]


@pytest.mark.parametrize("polygons", [False, True])
def test_it_holds_what_was_predicted_and_what_failed(photos, predictor, tmp_path, polygons):
    told = []
    done = run(predictor, photos.iterdir(), tmp_path, polygons=polygons, on_event=told.append)
    text = text_of(tmp_path)
    assert annotations_in(text) == annotations_of(tmp_path) != []
    instances = len(annotations_of(tmp_path))
    assert f"<h1>{instances} instances in 3 photos</h1>" in text
    assert done.failed == ("bad.jpg",)
    assert "bad.jpg: not an image" in text
    written = [each for each in told if isinstance(each, Progress) and "report" in each.task]
    assert [(each.done, each.total) for each in written] == [(i, 3) for i in range(4)]
    assert {path.name for path in tmp_path.iterdir()} == {
        *("predictions.json", "predictions.jsonl", "report.html")
    }


def test_photos_of_the_run_that_was_resumed_are_in_it(photos, predictor, tmp_path):
    run(predictor, [photos / "0.png"], tmp_path)
    assert len(block(text_of(tmp_path), "gallery-index")["photos"]) == 1
    run(predictor, photos.glob("*.png"), tmp_path, resume=True)
    text = text_of(tmp_path)
    names = [each["name"] for each in block(text, "gallery-index")["photos"]]
    assert names == ["0.png", "1.png", "2.png"]
    assert annotations_in(text) == annotations_of(tmp_path)


def test_photos_that_are_gone_or_changed_are_listed(photos, predictor, tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path in paths:
        path.write_bytes((photos / path.name).read_bytes())
    out = tmp_path / "out"
    run(predictor, paths, out)
    paths[0].unlink()
    write_image(paths[1], np.zeros((50, 60, 3), dtype=np.uint8))
    run(predictor, paths, out, resume=True)
    text = text_of(out)
    assert "2 of 3 photos cannot be shown" in text
    assert annotations_in(text) == annotations_of(out)


@pytest.mark.parametrize(
    ("field", "value"),
    [("score", float("nan")), ("area", "large"), ("category_id", 99), ("bbox", None)],
)
def test_a_damaged_record_of_the_run_that_was_resumed(photos, predictor, tmp_path, field, value):
    run(predictor, [photos / "0.png"], tmp_path)
    journal = tmp_path / "predictions.jsonl"
    header, record = map(json.loads, journal.read_text().splitlines())
    record["annotations"][0][field] = value
    journal.write_text(f"{json.dumps(header)}\n{json.dumps(record)}\n")
    before = text_of(tmp_path)
    with pytest.raises(ArgumentError, match=r"predictions\.jsonl: is damaged; remove it or run"):
        run(predictor, photos.glob("*.png"), tmp_path, resume=True)
    assert text_of(tmp_path) == before


def test_areas_in_real_units(photos, predictor, tmp_path):
    run(predictor, photos.glob("*.png"), tmp_path, pixel_size="0.5 µm", embed="none")
    index = block(text_of(tmp_path), "gallery-index")
    assert (index["unit"], index["unitPerPx"], index["pictures"]) == ("µm", 0.5, "")
    assert "total area (µm²)" in text_of(tmp_path)


@pytest.mark.parametrize(
    ("text", "value", "unit"), [("0.5mm", 0.5, "mm"), (" 12 cm ", 12, "cm"), (".25µm", 0.25, "µm")]
)
def test_sizes_of_pixels(text, value, unit):
    assert PixelSize.parse(text) == PixelSize(value=value, unit=unit)


@pytest.mark.parametrize(
    "text", ["", "5", "mm", "0mm", "-1mm", "1 mm 2", "nan mm", "1e999mm", "1e300mm", "1e-320mm"]
)
def test_sizes_of_pixels_that_are_none(text, predictor, photos, tmp_path):
    with pytest.raises(ArgumentError, match=r"0\.5mm"):
        run(predictor, photos.glob("*.png"), tmp_path / "out", pixel_size=text)
    assert not (tmp_path / "out").exists()
