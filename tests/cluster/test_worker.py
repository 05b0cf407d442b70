"""One process of a cluster, without Ray."""

import tempfile

import numpy as np
import pytest
import tifffile

from instseg.cluster.listing import ListedPhoto
from instseg.cluster.worker import WeightsFiles, Worker, WorkerSettings
from instseg.files.shards import ShardHeader
from instseg.files.storage import write_bytes
from instseg.files.weights import locate
from instseg.predict import large
from instseg.predict.predictor import Predictor
from instseg.scenes.scene import SceneConfig, draw_scene

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'instseg[scale]'")
OPTIONS = {"device": "cpu", "precision": "fp32", "tile": 128, "score_threshold": 0.3}


@pytest.mark.parametrize("remote", [False, True])
def test_large_files_are_read_in_windows(remote, tmp_path, monkeypatch):
    image = draw_scene(2, SceneConfig(size_hw=(200, 300), objects=(8, 10))).image
    tifffile.imwrite(tmp_path / "slide.tif", image, tile=(64, 64), photometric="rgb")
    content = (tmp_path / "slide.tif").read_bytes()
    address = f"memory://{tmp_path.name}/slide.tif" if remote else str(tmp_path / "slide.tif")
    write_bytes(address, content)
    copies = tmp_path / "copies"
    copies.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(copies))
    monkeypatch.setattr(large, "LARGE_PIXELS", 10_000)
    monkeypatch.setattr(large, "read_image", lambda path: pytest.fail(f"{path} was read whole"))

    (row,) = worker().predict([ListedPhoto("slide.tif", address)])
    monkeypatch.undo()
    expected = Predictor("demo", **OPTIONS)(image)
    assert row.error is None
    assert len(row.found) == len(expected) > 3
    np.testing.assert_array_equal(row.found.masks.dense(), expected.masks.dense())
    assert not [path for path in copies.rglob("*") if path.is_file()]


def worker():
    predictor = Predictor("demo", **OPTIONS)
    header = ShardHeader(
        info={},
        class_names=predictor.class_names,
        category_ids=predictor.category_ids,
        score_thresholds=tuple(predictor.score_thresholds.tolist()),
    )
    weights = WeightsFiles.of(locate("demo"))
    settings = WorkerSettings(predictor=OPTIONS, weights=weights, memory=None, header=header)
    return Worker(settings, None, share=1)
