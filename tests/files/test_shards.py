"""Parquet shards: what was found comes back as it was."""

import json

import numpy as np
import pytest

import instseg
from instseg.core.errors import InputError
from instseg.core.instances import Instances, Masks
from instseg.files.coco_json import read_results
from instseg.files.results import PredictionWriter
from instseg.files.shards import (
    ShardHeader,
    ShardPhoto,
    Shards,
    decode_shard,
    encode_shard,
    shard_name,
)

parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")

NAMES = ("BG", "cat", "dog")
IDS = (0, 17, 18)
HEADER = ShardHeader(
    info={"weights": "demo", "architecture": "compact", "score_threshold": 0.5},
    class_names=NAMES,
    category_ids=IDS,
    score_thresholds=(0.5, 0.5, 0.25),
)


def some_instances():
    dense = np.zeros((2, 20, 30), dtype=bool)
    dense[0, 3:9, 4:12] = True
    dense[0, 5, 6] = False  # a hole
    dense[1, 10:20, 0:30:2] = True  # many parts
    return Instances(
        boxes=[[4.1, 3.3, 12.000001, 9], [0, 10, 29.7, 20]],
        class_ids=[1, 2],
        scores=np.array([0.9123456, 0.1], dtype=np.float32),
        masks=Masks.from_dense(dense),
        class_names=NAMES,
    )


PHOTOS = (
    ShardPhoto(name="a/1.jpg", path="s3://bucket/a/1.jpg", found=some_instances()),
    ShardPhoto(name="a/2.jpg", path="s3://bucket/a/2.jpg", error="a/2.jpg: the file is empty"),
    ShardPhoto(name="b.jpg", path="/b.jpg", found=Instances.empty((5, 7), NAMES)),
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / shard_name(0)).write_bytes(encode_shard(PHOTOS[:2], HEADER))
    (tmp_path / shard_name(1)).write_bytes(encode_shard(PHOTOS[2:], HEADER))
    (tmp_path / "manifest.json").write_text("{}")
    return tmp_path


def test_rows_come_back_as_they_were(folder):
    shards = instseg.Shards(folder)
    assert shards.header == HEADER
    back = list(shards)
    assert [(p.name, p.path, p.error) for p in back] == [(p.name, p.path, p.error) for p in PHOTOS]
    assert [p.found is None for p in back] == [False, True, False]
    for one, other in ((back[0].found, PHOTOS[0].found), (back[2].found, PHOTOS[2].found)):
        assert one.size_hw == other.size_hw
        for name in ("boxes", "class_ids", "scores"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name
        assert np.array_equal(one.masks.dense(), other.masks.dense())


def test_records_and_results_are_those_of_predictions_json(folder, tmp_path):
    with PredictionWriter(tmp_path / "plain", NAMES, IDS) as predictions:
        for photo in PHOTOS:
            if photo.found is not None:
                predictions.add(photo.name, photo.found.size_hw, photo.found)
    document = json.loads((tmp_path / "plain" / "predictions.json").read_text())
    records = list(Shards(folder).records())
    assert [each["image"] for each in records] == document["images"]
    assert [a for each in records for a in each["annotations"]] == document["annotations"]
    assert read_results(folder) == read_results(tmp_path / "plain" / "predictions.json")


def test_other_tools_read_a_row_for_each_photo(folder):
    table = parquet.read_table(folder / shard_name(0))
    assert table["photo"].to_pylist() == ["a/1.jpg", "a/2.jpg"]
    assert table["classes"].to_pylist() == [["cat", "dog"], None]
    assert table["category_ids"].to_pylist() == [[17, 18], None]
    assert table["areas"].to_pylist() == [[47, 150], None]
    assert json.loads(table.schema.metadata[b"instseg"])["category_ids"] == [0, 17, 18]


def test_folders_without_shards_and_damaged_shards_are_told(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no shards in this folder"):
        Shards(tmp_path / "empty")
    path = folder / shard_name(1)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"part-000001\.parquet: not a whole shard"):
        list(Shards(folder))
    parquet.write_table(parquet.read_table(folder / shard_name(0)).replace_schema_metadata(), path)
    with pytest.raises(InputError, match="not a whole shard of instseg"):
        decode_shard(path.read_bytes(), str(path))
