"""Datasets that are fit to train on."""

import json

import pytest

from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import Notice, Warned
from instseg.data.coco import CocoData
from instseg.data.sound import read_sound
from instseg.scenes.scene import SceneConfig, write_scenes


@pytest.fixture
def scenes(tmp_path):
    return write_scenes(tmp_path / "data", 2, SceneConfig(size_hw=(64, 64)))


def read(path, **options):
    images, repaired = path.parent / "images", path.parent / "sound.json"
    return read_sound(path, images, repaired=repaired, **options)


def break_one_box(path):
    document = json.loads(path.read_text())
    document["annotations"][0]["bbox"] = [1, 2, 0, -3]
    path.write_text(json.dumps(document))


def test_a_sound_dataset_is_as_it_was_read_alone(scenes):
    data = read(scenes)
    assert data == CocoData.read(scenes, scenes.parent / "images")
    assert not (scenes.parent / "sound.json").exists()


def test_a_byte_order_mark_is_no_error(scenes):
    scenes.write_bytes(b"\xef\xbb\xbf" + scenes.read_bytes())
    assert len(read(scenes)) == 2


def test_errors_are_told_and_refused(scenes):
    break_one_box(scenes)
    told = []
    with pytest.raises(ArgumentError) as caught:
        read(scenes, on_event=told.append)
    assert "--fix fixed.json` repairs" in str(caught.value)
    assert " auto_repair trains on" in str(caught.value)
    assert "--auto-repair trains on" in caught.value.as_options()
    assert isinstance(told[0], Warned) and "box-degenerate, 1 time" in told[0].text


def test_a_repaired_copy_is_read_and_the_file_stays(scenes):
    break_one_box(scenes)
    before, told = scenes.read_bytes(), []
    data = read(scenes, auto_repair=True, on_event=told.append)
    assert data.coco_json == scenes.parent / "sound.json"
    assert all(each.bbox is None or min(each.bbox[2:]) > 0 for each in data.dataset.annotations)
    assert "1 changes" in next(each.text for each in told if isinstance(each, Notice))
    assert scenes.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}]}', "no images"),
        (b"[1, 2", "not valid JSON at line 1"),
        (None, "cannot be read"),
    ],
)
def test_what_is_no_dataset_is_refused_in_one_line(scenes, content, words):
    scenes.unlink() if content is None else scenes.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read(scenes)
    assert str(scenes) in str(caught.value) and "\n" not in str(caught.value)
