import json

import pytest
from coco_documents import sound, write_photos

from instseg import convert
from instseg.formats.registry import NAMES, recognised


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_is_recognised_as_what_it_is(tmp_path, name):
    write_photos(tmp_path / "in")
    (tmp_path / "in" / "a.json").write_text(json.dumps(sound()))
    done = convert(tmp_path / "in" / "a.json", tmp_path / "out", to=name, copy_photos=True)
    assert recognised(done.path).name == name
