"""Boxes get masks that lie inside them; annotations of low score are ignored or left out."""

import json
import runpy
import sys
from pathlib import Path

import skimage.data
from PIL import Image

from instseg.data.coco import CocoData

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "tooling" / "masks_from_boxes.py"


def test_masks_lie_in_their_boxes(monkeypatch, tmp_path):
    Image.fromarray(skimage.data.cat()).save(tmp_path / "cat.png")
    outline = [[10, 10, 60, 10, 60, 60]]
    common = {"image_id": 1, "category_id": 17}
    annotations = [
        {"id": 1, "bbox": [30, 10, 330, 280]},
        {"id": 2, "bbox": [10, 10, 50, 50], "segmentation": outline},
        {"id": 3, "bbox": [100, 20, 80, 80], "score": 0.3},
        {"id": 4, "bbox": [100, 20, 80, 80], "score": 0.1},
    ]
    document = {
        "images": [{"id": 1, "file_name": "cat.png", "width": 451, "height": 300}],
        "annotations": [each | common for each in annotations],
        "categories": [{"id": 17, "name": "cat"}],
    }
    given, out = tmp_path / "boxes.json", tmp_path / "masks.json"
    given.write_text(json.dumps(document))
    arguments = [given, "--images", tmp_path, "--weights", "photos", "--out", out]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
    runpy.run_path(str(SCRIPT), run_name="__main__")

    written = json.loads(out.read_text())["annotations"]
    assert [each["id"] for each in written] == [1, 2, 3]
    assert written[1] == annotations[1] | common
    data = CocoData.read(out, tmp_path)
    objects = data.objects(0)
    assert len(objects) == 2
    assert len(data.crowds(0)) == 1
    cat = objects.masks.dense(0)
    assert cat[9:291, 29:361].sum() == cat.sum() > 0.4 * 330 * 280  # a pixel of rounding
