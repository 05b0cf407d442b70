"""The journal of predictions: a line with the categories, then a line for each image."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from instseg.core.json_types import Json


class RawRecord(msgspec.Struct):
    """The parts of a line of the journal, as they are written there."""

    image: msgspec.Raw
    annotations: list[msgspec.Raw]


class Journal(Mapping[int, list[Json]]):
    """The annotations of each image id, read from a journal one image at a time.

    Attributes:
        header: `info` and `categories`, as in the document.
        images: The image records.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[int, int] = {}
        self.images: list[Json] = []
        decode = msgspec.json.Decoder(RawRecord).decode
        with path.open("rb") as file:
            self.header: Json = json.loads(file.readline())
            place = file.tell()
            for line in iter(file.readline, b""):
                if line.endswith(b"\n"):
                    image = msgspec.json.decode(decode(line).image)
                    self.images.append(image)
                    self._places[image["id"]] = place
                place += len(line)

    def __getitem__(self, image_id: int) -> list[Json]:
        with self._path.open("rb") as file:
            file.seek(self._places[image_id])
            annotations: list[Json] = msgspec.json.decode(file.readline())["annotations"]
        return annotations

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
