import json

import pytest

from instseg.commands.make_scenes import MakeScenesConfig, run
from instseg.errors import InputError


def test_writes_a_dataset_and_says_where(tmp_path, capsys):
    out = tmp_path / "scenes"
    assert run(MakeScenesConfig(out=str(out), images=2, size=128)) == 0
    document = json.loads((out / "annotations.json").read_text())
    assert [image["width"] for image in document["images"]] == [128, 128]
    assert all((out / "images" / image["file_name"]).is_file() for image in document["images"])
    assert str(out / "annotations.json") in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [{"images": 0}, {"size": 8}, {"most_objects": 2}])
def test_refuses_what_cannot_be_drawn(tmp_path, wrong):
    with pytest.raises(InputError, match="--"):
        run(MakeScenesConfig(out=str(tmp_path), **wrong))
