import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from small_instances import IDS, NAMES, found

from instseg.core.errors import InputError
from instseg.files.results import (
    PredictionWriter,
    write_semantic_map,
)


def read(folder: Path) -> dict:
    return json.loads((folder / "predictions.json").read_text())


def test_document_is_what_coco_tools_read(tmp_path):
    with PredictionWriter(tmp_path, NAMES, IDS) as writer:
        writer.add("a.jpg", (8, 10), found(1, 2))
        writer.add("b/ä.jpg", (8, 10), found())
        writer.add("c.jpg", (8, 10), found(2))
    document = read(tmp_path)
    assert document["categories"] == [{"id": 17, "name": "cat"}, {"id": 3, "name": "dog"}]
    assert document["images"][1] == {"id": 2, "file_name": "b/ä.jpg", "width": 10, "height": 8}
    last = document["annotations"][2]
    assert {key: last[key] for key in ("id", "image_id", "category_id", "area", "iscrowd")} == {
        "id": 3,
        "image_id": 3,
        "category_id": 3,
        "area": 6,
        "iscrowd": 0,
    }
    assert last["bbox"] == [2.0, 1.0, 3.0, 2.0]
    coco = COCO(tmp_path / "predictions.json")
    mask = coco.annToMask(coco.loadAnns(3)[0])
    assert mask.sum() == 6
    assert mask[1:3, 2:5].all()


@pytest.mark.parametrize("score", [0.1, 1 / 3, 0.99999994, 1e-7, 0.0, 1.0])
def test_scores_come_back_as_the_same_float32(tmp_path, score):
    with PredictionWriter(tmp_path, NAMES, IDS) as writer:
        writer.add("a.jpg", (8, 10), found(1, score=score))
    assert np.float32(read(tmp_path)["annotations"][0]["score"]) == np.float32(score)
    assert len(str(read(tmp_path)["annotations"][0]["score"])) <= 12


def test_given_image_ids_are_taken_over(tmp_path):
    with PredictionWriter(tmp_path, NAMES, IDS) as writer:
        writer.add("a.jpg", (8, 10), found(1), image_id=139)
        writer.add("b.jpg", (8, 10), found(1))
    assert [image["id"] for image in read(tmp_path)["images"]] == [139, 140]
    assert [each["image_id"] for each in read(tmp_path)["annotations"]] == [139, 140]


def test_document_is_whole_after_an_error(tmp_path):
    with pytest.raises(RuntimeError), PredictionWriter(tmp_path, NAMES, IDS) as writer:
        writer.add("a.jpg", (8, 10), found(1))
        raise RuntimeError
    assert len(read(tmp_path)["annotations"]) == 1


def test_resume_goes_on_after_a_torn_line(tmp_path):
    with PredictionWriter(tmp_path, NAMES, IDS) as writer:
        writer.add("a.jpg", (8, 10), found(1, 2))
        writer.add("b.jpg", (8, 10), found(1))
    journal = tmp_path / "predictions.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    with PredictionWriter(tmp_path, NAMES, IDS, resume=True) as writer:
        assert writer.done == {"a.jpg"}
        writer.add("c.jpg", (8, 10), found(2))
    assert [image["file_name"] for image in read(tmp_path)["images"]] == ["a.jpg", "c.jpg"]
    assert [image["id"] for image in read(tmp_path)["images"]] == [1, 2]
    assert [each["id"] for each in read(tmp_path)["annotations"]] == [1, 2, 3]


def test_without_resume_everything_begins_anew(tmp_path):
    with PredictionWriter(tmp_path, NAMES, IDS) as writer:
        writer.add("a.jpg", (8, 10), found(1))
    with PredictionWriter(tmp_path, NAMES, IDS) as writer:
        assert not (tmp_path / "predictions.json").exists()
        assert not writer.done
    assert read(tmp_path)["images"] == []


@pytest.mark.parametrize("left", ["", '{"info"'])
def test_resume_where_nothing_usable_is_left(tmp_path, left):
    (tmp_path / "predictions.jsonl").write_text(left)
    with PredictionWriter(tmp_path, NAMES, IDS, resume=True) as writer:
        writer.add("a.jpg", (8, 10), found(1))
    assert len(read(tmp_path)["images"]) == 1


def test_resume_refuses_other_classes_and_damage(tmp_path):
    with PredictionWriter(tmp_path, NAMES, IDS) as writer:
        writer.add("a.jpg", (8, 10), found(1))
    with pytest.raises(InputError, match="other classes"):
        PredictionWriter(tmp_path, ("BG", "cow"), (0, 21), resume=True)
    (tmp_path / "predictions.jsonl").write_text("[]\n")
    with pytest.raises(InputError, match="damaged"):
        PredictionWriter(tmp_path, NAMES, IDS, resume=True)


def test_resume_refuses_another_score_threshold(tmp_path):
    with PredictionWriter(tmp_path, NAMES, IDS, made_by={"score_threshold": 0.5}) as writer:
        writer.add("a.jpg", (8, 10), found(1))
    words = "was made with the score threshold 0.5, not stored; choose another out or"
    with pytest.raises(InputError, match=words):
        PredictionWriter(tmp_path, NAMES, IDS, made_by={"score_threshold": "stored"}, resume=True)
    assert read(tmp_path)["info"]["score_threshold"] == 0.5


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from small_instances import IDS, NAMES, found
from instseg.files.results import PredictionWriter
with PredictionWriter(Path(sys.argv[1]), NAMES, IDS) as writer:
    for number in range(10**6):
        writer.add(f"{number}.jpg", (8, 10), found(1, 2))
        if number % 50 == 0:
            writer._assemble()  # as the clock would have it, only sooner
"""


def test_document_is_valid_when_the_process_is_killed(tmp_path):
    tests, root = Path(__file__).parents[1:3]
    arguments = [sys.executable, "-c", KILLED, tmp_path, tests]
    with subprocess.Popen(arguments, env={**os.environ, "PYTHONPATH": str(root)}) as process:
        deadline_s = time.monotonic() + 60
        while not (tmp_path / "predictions.json").exists() and time.monotonic() < deadline_s:
            time.sleep(0.02)
        seen = [len(read(tmp_path)["images"]) for _ in range(30)]  # valid while it is written
        process.send_signal(signal.SIGKILL)
    assert seen == sorted(seen)
    assert len(read(tmp_path)["images"]) >= 1
    with PredictionWriter(tmp_path, NAMES, IDS, resume=True) as writer:
        done = len(writer.done)
    document = read(tmp_path)
    assert len(document["images"]) == done
    assert [each["id"] for each in document["annotations"]] == list(range(1, 2 * done + 1))


def test_semantic_map_reads_back_as_class_ids(tmp_path):
    labels = np.array([[0, 1], [2, 2]], dtype=np.uint8)
    write_semantic_map(tmp_path / "deep" / "a.png", labels, NAMES)
    with Image.open(tmp_path / "deep" / "a.png") as image:
        assert np.array_equal(np.asarray(image), labels)
        assert image.convert("RGB").getpixel((0, 0)) == (0, 0, 0)
