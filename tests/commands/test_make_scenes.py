import json

import pytest

from instseg.commands.make_scenes import MakeScenesConfig, run
from instseg.core.errors import InputError


def test_writes_a_dataset_and_says_where(tmp_path, capsys):
    out = tmp_path / "scenes"
    assert run(MakeScenesConfig(out=str(out), images=2, size=128)) == 0
    document = json.loads((out / "annotations.json").read_text())
    assert [image["width"] for image in document["images"]] == [128, 128]
    assert all((out / "images" / image["file_name"]).is_file() for image in document["images"])
    assert str(out / "annotations.json") in capsys.readouterr().out


def test_draws_the_classes_named(tmp_path):
    assert run(MakeScenesConfig(out=str(tmp_path), images=1, classes="lighthouse, cup")) == 0
    document = json.loads((tmp_path / "annotations.json").read_text())
    assert [each["name"] for each in document["categories"]] == ["cup", "lighthouse"]
    assert {each["category_id"] for each in document["annotations"]} <= {47, 91}
    with pytest.raises(InputError, match=r"^zebra cannot be drawn; choose from person, .*balloon$"):
        run(MakeScenesConfig(out=str(tmp_path), classes="cup,zebra"))


@pytest.mark.parametrize("wrong", [{"images": 0}, {"size": 8}, {"most_objects": 2}])
def test_refuses_what_cannot_be_drawn(tmp_path, wrong):
    with pytest.raises(InputError, match="--"):
        run(MakeScenesConfig(out=str(tmp_path), **wrong))
