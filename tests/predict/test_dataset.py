"""A model over a whole dataset."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from instseg.core.errors import InputError
from instseg.data.coco import CocoData
from instseg.files.image_writing import write_image
from instseg.predict.dataset import coco_records, predict_dataset, predicted_instances
from instseg.predict.predictor import Predictor

ROOT = Path(__file__).resolve().parents[2]
PEAK_AFTER = """
import sys
from pathlib import Path
from instseg.predict.dataset import predict_dataset
from instseg.data.coco import CocoData
from instseg.predict.predictor import Predictor

predictor = Predictor(sys.argv[1], score_threshold=0.9)
for path in map(Path, sys.argv[2:]):
    assert predict_dataset(predictor, CocoData.read(path, path.parent)) is not None
    print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


def write_dataset(folder, images, size_hw=(480, 640)):
    """One photo that is listed many times."""
    rng = np.random.default_rng(0)
    write_image(folder / "a.png", rng.integers(0, 255, (*size_hw, 3), dtype=np.uint8))
    height, width = size_hw
    records = [
        {"id": 3 * i, "file_name": "a.png", "height": height, "width": width}
        for i in range(images, 0, -1)
    ]
    categories = [{"id": 50, "name": "dog"}, {"id": 2, "name": "cat"}]
    path = folder / "data.json"
    path.write_text(json.dumps({"images": records, "annotations": [], "categories": categories}))
    return path


def test_results_carry_the_ids_of_the_dataset(tmp_path, tiny_weights):
    data = CocoData.read(write_dataset(tmp_path, 3, (64, 64)), tmp_path)
    results = predict_dataset(Predictor(tiny_weights, score_threshold=0.0), data)
    assert [r["image_id"] for r in results] == sorted(r["image_id"] for r in results)[::-1]
    assert {r["image_id"] for r in results} == {3, 6, 9}
    assert {r["category_id"] for r in results} <= {2, 50}


def test_instances_come_one_photo_at_a_time_and_make_the_same_results(tmp_path, tiny_weights):
    data = CocoData.read(write_dataset(tmp_path, 3, (64, 64)), tmp_path)
    predictor, told = Predictor(tiny_weights, score_threshold=0.0), []
    results = []
    for row, found in predicted_instances(predictor, data, on_event=told.append):
        assert (len(told), told[-1].done) == (row + 1, row)
        assert len(found) and found.class_names == predictor.class_names
        results += coco_records(found, data, row)
    assert results == predict_dataset(predictor, data)
    assert (told[-1].task, told[-1].done, told[-1].total) == ("predicting", 3, 3)


def test_missing_photos_stop_it_before_it_begins(tmp_path, tiny_weights):
    data = CocoData.read(write_dataset(tmp_path, 3, (64, 64)), tmp_path)
    (tmp_path / "a.png").unlink()
    with pytest.raises(InputError, match=r"3 of 3 photos are not there, the first is a\.png"):
        predict_dataset(Predictor(tiny_weights), data)


def test_a_photo_of_another_size_stops_it(tmp_path, tiny_weights):
    path = write_dataset(tmp_path, 1, (64, 64))
    write_image(tmp_path / "a.png", np.zeros((64, 32, 3), dtype=np.uint8))
    with pytest.raises(InputError, match=r"a\.png: is 32 x 64 pixels"):
        predict_dataset(Predictor(tiny_weights), CocoData.read(path, tmp_path))


def test_memory_stays_flat(tmp_path, tiny_weights):
    """Kept photos would be 0.9 MB each."""
    paths = [write_dataset(tmp_path / str(images), images) for images in (20, 140)]
    done = subprocess.run(
        [sys.executable, "-c", PEAK_AFTER, tiny_weights, *paths],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    first_kb, second_kb = map(int, done.stdout.split())
    assert second_kb - first_kb < 40_000
