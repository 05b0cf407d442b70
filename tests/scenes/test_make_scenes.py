"""A drawn dataset from Python."""

import json

import numpy as np
import pytest

import instseg
from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import Progress
from instseg.data.coco import CocoData


def test_as_a_user_types_it(tmp_path, capsys):
    events = []
    drawn = instseg.make_scenes(
        out=tmp_path / "scenes", images=2, seed=3, size=128, on_event=events.append
    )
    assert capsys.readouterr() == ("", "")
    assert drawn.count == len(CocoData.read(drawn.coco_json, drawn.images)) == 2
    assert drawn.coco_json == tmp_path / "scenes/annotations.json"
    assert len(drawn.classes) == 16
    assert events[-1] == Progress(task="drawing", done=2, total=2)
    assert repr(drawn) == f"DrawnScenes(2 scenes, coco_json='{drawn.coco_json}')"
    assert f"<td>{drawn.images}</td>" in drawn._repr_html_()


def test_the_notebook_shows_names_escaped(tmp_path):
    drawn = instseg.make_scenes(out=tmp_path / "<i>&", images=1, size=64)
    assert "&lt;i&gt;&amp;" in drawn._repr_html_()


def test_a_further_part_of_the_same_dataset(tmp_path):
    whole = instseg.make_scenes(out=str(tmp_path / "whole"), images=3, size=64)
    part = instseg.make_scenes(out=str(tmp_path / "part"), images=1, start=2, size=64)
    pictures = [(each.images / "000002.jpg").read_bytes() for each in (whole, part)]
    assert pictures[0] == pictures[1]


def test_draws_the_classes_named(tmp_path):
    for classes in ("lighthouse, cup", ["lighthouse", "cup"]):
        drawn = instseg.make_scenes(out=tmp_path, images=1, classes=classes)
        document = json.loads(drawn.coco_json.read_text())
        assert [each["name"] for each in document["categories"]] == ["cup", "lighthouse"]
        assert {each["category_id"] for each in document["annotations"]} <= {47, 91}
    with pytest.raises(InputError, match=r"^zebra cannot be drawn; choose from person, .*balloon$"):
        instseg.make_scenes(out=tmp_path, classes="cup,zebra")


def test_draws_objects_of_the_size_asked_for(tmp_path):
    options = {"images": 2, "size": 400, "least_objects": 10, "most_objects": 10}
    drawn = instseg.make_scenes(out=tmp_path, object_size="12,40", **options)
    data = CocoData.read(drawn.coco_json, drawn.images)
    boxes = np.concatenate([data.objects(row).boxes for row in range(2)])
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    assert len(sides) == 20
    assert 6 <= sides.min() < 30 < sides.max() <= 48  # partly hidden ones are shorter


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"images": 0}, "images and least_objects must be at least 1"),
        ({"size": 8}, "size at least 32"),
        ({"most_objects": 2}, "most_objects must not be less than least_objects"),
        ({"seed": -1}, "seed and start must be at least 0"),
        ({"object_size": "20"}, "'20' must be LEAST,MOST, .* in order, and from 8 to 320"),
        ({"object_size": "200,20"}, "object_size='200,20' must be LEAST,MOST"),
        ({"object_size": "20,400"}, "object_size='20,400' must be LEAST,MOST"),
    ],
)
def test_refuses_what_cannot_be_drawn(tmp_path, wrong, said):
    with pytest.raises(ArgumentError, match=said):
        instseg.make_scenes(out=tmp_path, **wrong)
