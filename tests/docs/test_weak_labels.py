"""Points that replace masks lie in their box, and their labels are those of the mask."""

import json
import runpy
import sys
from pathlib import Path

from instseg.data.coco import CocoData
from instseg.scenes.scene import SceneConfig, write_scenes

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "tooling" / "weak_labels.py"


def test_points_have_the_labels_of_the_mask(monkeypatch, tmp_path):
    path, out = write_scenes(tmp_path, 5, SceneConfig(size_hw=(64, 64))), tmp_path / "points.json"
    arguments = [str(path), "--points", "10", "--masks", "0.2", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    data, weak = CocoData.read(path, tmp_path), json.loads(out.read_text())
    masked = {each["image_id"] for each in weak["annotations"] if "segmentation" in each}
    assert len(masked) == 1
    for given, each in zip(data.dataset.annotations, weak["annotations"], strict=True):
        assert ("point_coords" in each) == (each["image_id"] not in masked)
        if "point_coords" in each:
            row = [image.id for image in data.images].index(given.image_id)
            mask = data.instances_of([given], row).masks.dense(0)
            left, top, width, height = given.bbox
            for (x, y), label in zip(each["point_coords"], each["point_labels"], strict=True):
                assert left <= x <= left + width and top <= y <= top + height
                assert mask[min(int(y), 63), min(int(x), 63)] == label
