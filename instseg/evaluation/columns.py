"""Records of COCO files, by their fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter, methodcaller
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from instseg.evaluation.shapes import Kind, Shapes

Ints = NDArray[np.int64]
Field = Callable[[str], Callable[[Any], Any]]


class Records(Protocol):
    """N annotations or results."""

    def __len__(self) -> int:
        """N."""

    def numbers(self, name: str, dtype: type) -> NDArray[Any]:
        """A field of all: (N,)."""

    def shapes(self, rows: Ints, kind: Kind, sizes_hw: Mapping[int, tuple[int, int]]) -> Shapes:
        """The boxes or masks of some.

        Args:
            rows: Which, ascending: masks are read fastest as they lie in memory.
            kind: What to read and compare.
            sizes_hw: Height and width of each image, by its id, to draw polygons in.
        """


def field_of_mapping(name: str) -> Callable[[Any], Any]:
    """What gets a field; the two that annotations may lack are None and NaN then."""
    if name in ("iscrowd", "area"):
        return methodcaller("get", name, np.nan if name == "area" else None)
    return itemgetter(name)


class Listed:
    """Records as Python objects.

    Args:
        records: With `bbox`, or `image_id` and `segmentation`, if they have shapes.
        field: What gives a field of a record, by its name.
    """

    def __init__(self, records: Sequence[Any], field: Field = field_of_mapping) -> None:
        self._records = records
        self._field = field

    def __len__(self) -> int:
        """N."""
        return len(self._records)

    def values(self, name: str) -> list[Any]:
        """A field of all."""
        return [*map(self._field(name), self._records)]

    def numbers(self, name: str, dtype: type) -> NDArray[Any]:
        """As in `Records`."""
        return np.fromiter(map(self._field(name), self._records), dtype, len(self))

    def shapes(self, rows: Ints, kind: Kind, sizes_hw: Mapping[int, tuple[int, int]]) -> Shapes:
        """As in `Records`."""
        chosen = [self._records[i] for i in rows.tolist()]
        if kind == "bbox":
            sides = chain.from_iterable(map(self._field("bbox"), chosen))
            return Shapes.of_boxes(np.fromiter(sides, np.float64, 4 * len(rows)).reshape(-1, 4))
        image_id = self._field("image_id")
        outlines = [*map(self._field("segmentation"), chosen)]
        return Shapes.of_masks(outlines, kind, lambda i: sizes_hw[image_id(chosen[i])])


class Packed:
    """Records of nothing but floats, and a `bbox` as the last field.

    Six times as fast as `Listed`: msgspec writes them, and every float takes 9 bytes, so that all
    records have the same length.

    Args:
        form: The msgspec struct, whose fields accept 0.
        parts: Lists of such records. None is needed any more when the next one is made.
    """

    def __init__(self, form: type[msgspec.Struct], parts: Iterable[Sequence[Any]]) -> None:
        self._names = [field.name for field in msgspec.structs.fields(form)]
        zeros = dict.fromkeys(self._names, 0.0) | {"bbox": (0.0,) * 4}
        example = msgspec.msgpack.encode(form(**zeros))
        numbers = [*re.finditer(rb"\xcb\0{8}", example)]  # where each float is written
        names = [str(i) for i in range(len(numbers))]
        layout = np.dtype(
            {
                "names": names,
                "formats": [">f8"] * len(numbers),
                "offsets": [number.start() + 1 for number in numbers],
                "itemsize": len(example),
            }
        )
        tables = [np.zeros((0, len(numbers)))]
        for records in parts:
            written = msgspec.msgpack.encode(records)
            start = len(written) - len(records) * len(example)
            fields = np.frombuffer(written, layout, len(records), start)
            tables.append(np.stack([fields[name] for name in names], axis=1).astype(np.float64))
        self._numbers = np.concatenate(tables)

    def __len__(self) -> int:
        """N."""
        return len(self._numbers)

    def numbers(self, name: str, dtype: type) -> NDArray[Any]:
        """As in `Records`.

        Raises:
            ValueError: A number is not of this type.
        """
        floats = self._numbers[:, self._names.index(name)]
        if dtype is np.float64:
            return floats
        if not (np.abs(floats) < 2**53).all() or (floats != floats.astype(dtype)).any():
            raise ValueError(f"a number of {name} is not of {dtype}")
        return floats.astype(dtype)

    def shapes(self, rows: Ints, kind: Kind, sizes_hw: Mapping[int, tuple[int, int]]) -> Shapes:
        """As in `Records`: boxes."""
        return Shapes.of_boxes(self._numbers[:, -4:][rows])
