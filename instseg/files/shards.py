"""Predictions of many photos in Parquet files: one row for each photo, read by any tool."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from instseg.core.errors import InputError
from instseg.core.instances import Instances, Masks
from instseg.core.json_types import Json
from instseg.files.results import coco_annotations
from instseg.files.storage import as_address, names_in, read_bytes, require_pyarrow

META = b"instseg"  # key of the schema's metadata
PREFIX, SUFFIX = "part-", ".parquet"


@dataclass(frozen=True, kw_only=True)
class ShardHeader:
    """What all shards of a job have in common, in the metadata of their schema.

    Attributes:
        info: As in predictions.json: `weights`, `architecture`, `score_threshold`, `version`.
        class_names: Names by class id; [0] is "BG".
        category_ids: Dataset ids by class id.
        score_thresholds: Minimum score by class id.
    """

    info: Json
    class_names: tuple[str, ...]
    category_ids: tuple[int, ...]
    score_thresholds: tuple[float, ...]

    def as_json(self) -> Json:
        """For the metadata."""
        return dict(vars(self))

    @classmethod
    def of_json(cls, stored: Json) -> ShardHeader:
        """What `as_json` has stored."""
        return cls(
            info=stored["info"],
            class_names=tuple(stored["class_names"]),
            category_ids=tuple(stored["category_ids"]),
            score_thresholds=tuple(stored["score_thresholds"]),
        )


@dataclass(frozen=True, kw_only=True)
class ShardPhoto:
    """A row: what was found in a photo, or why there is nothing.

    Attributes:
        name: Its name in the results, unique in the job.
        path: Its path or address.
        found: Its instances; None if it failed.
        error: Why it failed, one line; None if it did not.
    """

    name: str
    path: str
    found: Instances | None = None
    error: str | None = None


def shard_name(number: int) -> str:
    """The file name of a shard."""
    return f"{PREFIX}{number:06d}{SUFFIX}"


def encode_shard(photos: Sequence[ShardPhoto], header: ShardHeader) -> bytes:
    """A Parquet file with one row for each photo."""
    import pyarrow as pa

    rows = [_row(photo, header) for photo in photos]
    schema = _schema().with_metadata({META: json.dumps(header.as_json()).encode()})
    return as_parquet(pa.Table.from_pylist(rows, schema=schema))


def as_parquet(table: Any) -> bytes:
    """A table of pyarrow as the content of a Parquet file."""
    import pyarrow as pa
    from pyarrow import parquet

    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content


def decode_shard(content: bytes, name: str) -> tuple[ShardHeader, Iterator[ShardPhoto]]:
    """The header and the rows of a shard, read one group of rows after the other.

    Raises:
        InputError: It is damaged, or not a shard of instseg.
    """
    require_pyarrow(name)
    import pyarrow as pa
    from pyarrow import parquet

    broken = f"{name}: not a whole shard of instseg; remove it and resume the job"
    try:
        file = parquet.ParquetFile(pa.BufferReader(content))
        header = ShardHeader.of_json(json.loads((file.schema_arrow.metadata or {})[META]))
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(broken) from error

    def rows() -> Iterator[ShardPhoto]:
        try:
            for batch in file.iter_batches(batch_size=64):
                for row in batch.to_pylist():
                    yield _photo(row, header)
        except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(broken) from error

    return header, rows()


def summary_of_shard(content: bytes) -> Iterator[tuple[str, list[str], str | None]]:
    """The name, the class names and the error of each photo, without its boxes and masks."""
    import pyarrow as pa
    from pyarrow import parquet

    table = parquet.read_table(pa.BufferReader(content), columns=["photo", "classes", "error"])
    for row in table.to_pylist():
        yield row["photo"], row["classes"] or [], row["error"]


class Shards:
    """The predictions of a job, read from its folder one shard at a time.

    Args:
        folder: Path or address.

    Attributes:
        header: What all of them have in common.
        paths: The paths or addresses of the shards, in the order of the photos.

    Raises:
        InputError: There are none, or pyarrow is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = as_address(folder)
        require_pyarrow(self.folder)
        names = [name for name in names_in(self.folder) if name.startswith(PREFIX)]
        self.paths = [f"{self.folder}/{name}" for name in names if name.endswith(SUFFIX)]
        if not self.paths:
            raise InputError(
                f"{self.folder}: no shards in this folder; give the folder `shards` of a job"
            )
        self.header, _ = decode_shard(read_bytes(self.paths[0]), self.paths[0])

    def __iter__(self) -> Iterator[ShardPhoto]:
        """All photos, also those that failed."""
        for path in self.paths:
            header, rows = decode_shard(read_bytes(path), path)
            if header.class_names != self.header.class_names:
                raise InputError(f"{path}: has other classes than {self.paths[0]}")
            yield from rows

    @property
    def categories(self) -> list[Json]:
        """As in predictions.json."""
        named = zip(self.header.category_ids, self.header.class_names, strict=True)
        return [{"id": number, "name": name} for number, name in list(named)[1:]]

    def found(self) -> Iterator[tuple[str, Instances]]:
        """The name and the instances of each photo that did not fail."""
        for photo in self:
            if photo.found is not None:
                yield photo.name, photo.found

    def records(self) -> Iterator[Json]:
        """`image` and `annotations` of each photo, with the ids of predictions.json."""
        next_id = 1
        for image_id, (name, found) in enumerate(self.found(), start=1):
            height, width = found.size_hw
            image = {"id": image_id, "file_name": name, "width": width, "height": height}
            annotations = coco_annotations(found, self.header.category_ids)
            numbered = enumerate(annotations, start=next_id)
            yield {
                "image": image,
                "annotations": [{"id": n, "image_id": image_id, **each} for n, each in numbered],
            }
            next_id += len(annotations)


def _schema() -> Any:
    import pyarrow as pa

    def lists(kind: Any) -> Any:
        return pa.list_(kind)

    return pa.schema(
        [
            ("photo", pa.string()),
            ("path", pa.string()),
            ("height", pa.int32()),
            ("width", pa.int32()),
            ("boxes", lists(pa.list_(pa.float32(), 4))),
            ("class_ids", lists(pa.int32())),
            ("category_ids", lists(pa.int64())),
            ("classes", lists(pa.string())),
            ("scores", lists(pa.float32())),
            ("areas", lists(pa.int64())),
            ("rle", lists(pa.string())),
            ("error", pa.string()),
        ]
    )


def _row(photo: ShardPhoto, header: ShardHeader) -> Json:
    row: Json = {"photo": photo.name, "path": photo.path, "error": photo.error}
    found = photo.found
    if found is None:
        return row
    height, width = found.size_hw
    ids = found.class_ids.tolist()
    return {
        **row,
        "height": height,
        "width": width,
        "boxes": found.boxes.tolist(),
        "class_ids": ids,
        "category_ids": [header.category_ids[i] for i in ids],
        "classes": found.names,
        "scores": found.scores.tolist(),
        "areas": found.masks.areas().tolist(),
        "rle": [each["counts"] for each in found.masks.to_rle()],
    }


def _photo(row: Json, header: ShardHeader) -> ShardPhoto:
    name, path, error = row["photo"], row["path"], row["error"]
    if error is not None:
        return ShardPhoto(name=name, path=path, error=error)
    size_hw = row["height"], row["width"]
    rles = [{"size": list(size_hw), "counts": counts} for counts in row["rle"]]
    found = Instances(
        boxes=np.array(row["boxes"], dtype=np.float32).reshape(-1, 4),
        class_ids=np.array(row["class_ids"], dtype=np.int64),
        scores=np.array(row["scores"], dtype=np.float32),
        masks=Masks.from_rle(rles, size_hw),
        class_names=header.class_names,
    )
    return ShardPhoto(name=name, path=path, found=found)
