import json

import pytest
from coco_documents import sound, write_photos


@pytest.fixture
def source(tmp_path):
    document = sound()
    write_photos(tmp_path / "data" / "images")
    path = tmp_path / "data" / "annotations.json"
    path.write_text(json.dumps(document))
    return path
