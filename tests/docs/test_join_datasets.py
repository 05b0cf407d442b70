"""Joined datasets mean what their parts mean."""

import json
import runpy
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "tooling" / "join_datasets.py"
CATEGORIES = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
FULL, CATS = {}, {"labelled": ["cat"]}


def write(path, image, category=1, *, categories=CATEGORIES, searched=None, **values):
    photo = {"id": 7, "file_name": f"{path.stem}.jpg", "width": 64, "height": 48, **image}
    found = {"id": 5, "image_id": 7, "category_id": category, "bbox": [1, 2, 30, 40], **values}
    document = {"images": [photo], "annotations": [found], "categories": categories}
    path.write_text(json.dumps(document | ({} if searched is None else {"searched": searched})))
    return path


def join(monkeypatch, tmp_path, *files):
    out = tmp_path / "joined.json"
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, files), "--out", str(out)])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    return json.loads(out.read_text())


def test_images_and_annotations_are_numbered_anew(monkeypatch, tmp_path):
    files = [write(tmp_path / "a.json", FULL), write(tmp_path / "b.json", FULL, 2, score=0.5)]
    joined = join(monkeypatch, tmp_path, *files)
    assert [(i["id"], i["file_name"]) for i in joined["images"]] == [(1, "a.jpg"), (2, "b.jpg")]
    assert [(a["id"], a["image_id"]) for a in joined["annotations"]] == [(1, 1), (2, 2)]
    assert joined["annotations"][1]["score"] == 0.5
    assert "searched" not in joined


def test_what_a_detector_has_searched_is_kept(monkeypatch, tmp_path):
    full = write(tmp_path / "a.json", FULL)
    named = write(tmp_path / "b.json", CATS, searched=["dog", "cat"])
    found = write(tmp_path / "c.json", CATS, 2, score=0.5)
    assert join(monkeypatch, tmp_path, full, named)["searched"] == ["cat", "dog"]
    assert join(monkeypatch, tmp_path, full, found)["searched"] == ["cat", "dog"]
    assert join(monkeypatch, tmp_path, found, named, full)["searched"] == ["cat", "dog"]
    assert join(monkeypatch, tmp_path, full, write(tmp_path / "d.json", CATS))["searched"] == []


def test_files_that_do_not_go_together_are_refused(monkeypatch, tmp_path, capsys):
    cats = write(tmp_path / "a.json", CATS)
    for other in (
        write(tmp_path / "b.json", CATS, 2, score=0.5),
        write(tmp_path / "c.json", CATS, searched=["dog"]),
        write(tmp_path / "d.json", FULL, categories=CATEGORIES[:1]),
    ):
        with pytest.raises(SystemExit):
            join(monkeypatch, tmp_path, cats, other)
        assert f"{other}: " in capsys.readouterr().err
