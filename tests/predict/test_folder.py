"""Many photos from Python: events and a result, and nothing printed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from stand_in import TINY_CARD, stand_in_model

from instseg.core.errors import ArgumentError
from instseg.core.events import PhotoFailed, Progress, Warned
from instseg.files.image_writing import write_image
from instseg.predict.folder import predict_folder
from instseg.predict.photos import name_photos
from instseg.predict.pictures import Pictures
from instseg.predict.predictor import Predictor
from instseg.scenes.scene import draw_scene

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    scene = draw_scene(0).image
    for i in range(5):
        write_image(folder / f"{i}.png", scene[: 100 + i % 2, :120])
    return name_photos(sorted(folder.iterdir()))


class SmallMemory(Predictor):
    """Has no memory for photos of 101 rows."""

    def predict_batch(self, images):
        if any(np.shape(image)[0] == 101 for image in images):
            raise MemoryError
        return super().predict_batch(images)


def make(kind, **options):
    options = {"device": "cpu", "precision": "fp32", "score_threshold": 0.3, **options}
    return kind(stand_in_model(TINY_CARD), **options)


def test_a_result_and_events_and_nothing_printed(photos, tmp_path, capsys):
    told = []
    done = predict_folder(make(Predictor), photos, tmp_path, csv=True, on_event=told.append)
    document = json.loads((tmp_path / "predictions.json").read_text())
    assert (done.folder, done.done, done.skipped, done.failed) == (tmp_path, 5, 0, ())
    assert sum(done.counts.values()) == len(document["annotations"]) > 0
    assert {each.done for each in told} == set(range(6))
    assert {(each.task, each.total) for each in told} == {("finding instances", 5)}
    again = predict_folder(make(Predictor), photos, tmp_path, resume=True)
    assert (again.done, again.skipped, again.counts) == (0, 5, {})
    assert capsys.readouterr() == ("", "")


def test_a_resumed_run_completes_what_it_can_and_tells_the_rest(photos, tmp_path):
    whole, told = tmp_path / "whole", []
    predict_folder(make(Predictor), photos, whole, csv=True, geojson=True)
    predict_folder(make(Predictor), photos[:2], tmp_path)
    done = predict_folder(
        make(Predictor),
        photos,
        tmp_path,
        resume=True,
        csv=True,
        geojson=True,
        pictures=Pictures(crops=True),
        on_event=told.append,
    )
    assert (done.done, done.skipped) == (3, 2)
    for photo in photos:
        name = f"{photo.picture}.geojson"
        assert (tmp_path / name).read_text() == (whole / name).read_text()
    rows, expected = (
        [line.split(",")[:6] for line in (folder / "instances.csv").read_text().splitlines()]
        for folder in (tmp_path, whole)
    )
    assert rows == expected
    (text,) = [event.text for event in told if isinstance(event, Warned)]
    assert "2 photos that an earlier run finished lack crops/;" in text


@pytest.mark.parametrize(("inside", "pictures"), [("", {}), ("labels", {"semantic_map": True})])
def test_no_picture_takes_the_place_of_a_photo(inside, pictures, photos, tmp_path):
    (tmp_path / inside).mkdir(exist_ok=True)
    photo = Path(shutil.copy(photos[0].path, tmp_path / inside / "x.png"))
    before = photo.read_bytes()
    with pytest.raises(ArgumentError, match=r"x\.png: is a photo of the input; choose another out"):
        predict_folder(
            make(Predictor), name_photos([photo]), tmp_path, pictures=Pictures(**pictures)
        )
    assert photo.read_bytes() == before
    assert [*photo.parent.iterdir()] == [photo]
    done = predict_folder(
        make(Predictor), name_photos([photo]), tmp_path, pictures=Pictures(overlay=False)
    )
    assert done.done == 1


@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_photo_too_large_for_the_memory_fails_alone(photos, tmp_path, batch_size):
    told = []
    predictor = make(SmallMemory, batch_size=batch_size)
    wanted = Pictures(overlay=False)
    done = predict_folder(predictor, photos, tmp_path, pictures=wanted, on_event=told.append)
    assert done.failed == ("1.png", "3.png")
    assert done.done == 3
    failures = [event for event in told if isinstance(event, PhotoFailed)]
    assert [event.name for event in failures] == ["1.png", "3.png"]
    assert all("1.png: is too large" in e.text or "3.png: is too large" in e.text for e in failures)
    last = [event for event in told if isinstance(event, Progress)][-1]
    assert (last.done, last.total) == (5, 5)
    names = {each["file_name"] for each in json.loads(read(tmp_path))["images"]}
    assert names == {"0.png", "2.png", "4.png"}


def read(folder: Path) -> str:
    return (folder / "predictions.json").read_text()


def test_many_photos_in_flat_memory():
    script = ROOT / "tests" / "flat_memory.py"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, script, "photos", "300"], check=True, env=environment)
