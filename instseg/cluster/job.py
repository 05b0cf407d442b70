"""A job: the list of its photos, what they are predicted with, and which shards it has."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from instseg.cluster.listing import ListedPhoto
from instseg.core.errors import ArgumentError, InputError
from instseg.core.json_types import Json
from instseg.files.shards import (
    PREFIX,
    ShardHeader,
    ShardPhoto,
    as_parquet,
    decode_shard,
    encode_shard,
    shard_name,
)
from instseg.files.storage import names_in, read_bytes, write_bytes

MANIFEST, LISTING = "manifest.json", "photos.parquet"
FEWEST, MOST = 8, 256  # photos of a shard
SHARDS_EACH = 32  # shards of a worker, if there are enough photos: the last ones end together


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job in its folder.

    Attributes:
        folder: Path or address of its shards.
        photos: Number of photos.
        photos_per_shard: Of all shards but the last.
    """

    folder: str
    photos: int
    photos_per_shard: int

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-self.photos // self.photos_per_shard)

    def size_of(self, shard: int) -> int:
        """Number of photos of a shard."""
        return min(self.photos_per_shard, self.photos - shard * self.photos_per_shard)

    def missing(self) -> list[int]:
        """The shards that are not there yet."""
        there = set(names_in(self.folder))
        return [n for n in range(self.shards) if shard_name(n) not in there]

    def photos_from(self, start: int, count: int) -> Iterator[ListedPhoto]:
        """Some photos, by the number of the first."""
        return photos_in(read_listing(f"{self.folder}/{LISTING}").slice(start, count))

    def write(self, shard: int, content: bytes) -> None:
        """Write a shard."""
        write_bytes(f"{self.folder}/{shard_name(shard)}", content)


def require_no_job(folder: str) -> None:
    """Raise ArgumentError if a folder has a job already, which may have taken days."""
    if MANIFEST in (names := names_in(folder)) or any(n.startswith(PREFIX) for n in names):
        raise ArgumentError(
            f"{folder}: holds the shards of an earlier job; choose another {{out}}, or continue it "
            "with {resume}"
        )


def start_job(folder: str, photos: Sequence[ListedPhoto], workers: int, described: Json) -> Job:
    """Write the manifest and the list of a new job.

    Args:
        folder: Path or address.
        photos: Its photos, in order.
        workers: How many there are now; decides how many photos a shard has.
        described: What the results depend on.
    """
    each = min(max(len(photos) // (workers * SHARDS_EACH), FEWEST), MOST)
    write_bytes(f"{folder}/{LISTING}", _listing(photos))
    manifest = {"photos": len(photos), "photos_per_shard": each, **described}
    write_bytes(f"{folder}/{MANIFEST}", json.dumps(manifest, indent=1).encode())
    return Job(folder=folder, photos=len(photos), photos_per_shard=each)


def resumed_job(folder: str, described: Json) -> Job | None:
    """The job of a folder; None if it has none.

    Raises:
        ArgumentError: It was started with other inputs, weights or options.
        InputError: Its manifest is damaged.
    """
    if MANIFEST not in names_in(folder):
        return None
    path = f"{folder}/{MANIFEST}"
    try:
        manifest = json.loads(read_bytes(path))
        job = Job(
            folder=folder,
            photos=int(manifest["photos"]),
            photos_per_shard=int(manifest["photos_per_shard"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: is damaged; remove the folder and start again") from error
    for name, value in described.items():
        if (before := manifest.get(name)) != value:
            was = f"{{{name}}} {_short(before)}, not {_short(value)}"
            was = "other {weights}" if name == "weights" else was
            raise ArgumentError(
                f"{folder}: was made with {was}; choose another {{out}}, or give the same"
            )
    return job


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _listing(photos: Sequence[ListedPhoto]) -> bytes:
    import pyarrow as pa

    names = [photo.name for photo in photos]
    addresses = pa.array([os.fsencode(photo.address) for photo in photos], pa.binary())
    return as_parquet(pa.table({"name": names, "address": addresses}))


def joined(contents: Sequence[bytes], header: ShardHeader, name: str) -> bytes:
    """One shard of several parts."""
    if len(contents) == 1:
        return contents[0]
    rows: list[ShardPhoto] = []
    for content in contents:
        rows += decode_shard(content, name)[1]
    return encode_shard(rows, header)


def read_listing(path: str) -> Any:
    """The table with `name` and `address` of all photos of a job."""
    import pyarrow as pa
    from pyarrow import parquet

    return parquet.read_table(pa.BufferReader(read_bytes(path)))


def photos_in(table: Any) -> Iterator[ListedPhoto]:
    """The photos of a part of the listing."""
    rows = table.to_pydict()
    for name, address in zip(rows["name"], rows["address"], strict=True):
        yield ListedPhoto(name, os.fsdecode(address))
