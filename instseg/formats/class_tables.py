"""Tables that say what the numbers and colours of label maps mean, as tools write them.

`classes.csv` is written by `convert` itself; `labelmap.txt` by CVAT and datumaro for Pascal VOC,
`label_colors.txt` by them for CamVid and Cityscapes, and `class_dict.csv` comes with CamVid.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import InputError
from instseg.core.map_values import parse_values
from instseg.files.stored_values import Stored
from instseg.system.regular import require_regular_file

VOID = 255
BACKGROUND = ("bg", "background", "unlabeled", "_background_")
IGNORED = ("ignore", "ignored", "void", "__ignore__")
_LARGEST = 10_000_000  # bytes


@dataclass(frozen=True, kw_only=True)
class ClassTable:
    """What numbers and colours mean.

    Attributes:
        names: By number.
        colours: By colour, red, green and blue as one number of 24 bits.
    """

    names: Mapping[int, str] = field(default_factory=dict)
    colours: Mapping[int, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.names or self.colours)

    def things(self) -> list[str]:
        """The names, without background and what is ignored, in the order of the numbers."""
        return [name for _, name in sorted(self.names.items()) if not is_nothing(name)]


def is_nothing(name: str) -> bool:
    """Whether a class means background, or pixels that do not count."""
    return name.casefold() in (*BACKGROUND, *IGNORED)


def given_table(values: str | Mapping[int, str] | None) -> ClassTable:
    """The table that a user gives as values, whose numbers may be colours too.

    Raises:
        InputError: The text has another form.
    """
    names = parse_values(values) if isinstance(values, str) and values else dict(values or {})
    return ClassTable(names=names, colours=names)


def find_table(root: Path) -> ClassTable:
    """The table of a dataset, in its folder or the one above; an empty one if there is none.

    Raises:
        InputError: It cannot be read.
    """
    for folder in (root, root.parent):
        for name, read in _TABLES.items():
            if (folder / name).is_file() and (found := read(_rows(folder / name))):
                return found
        if (folder / "labelmap.txt").is_file():
            return _labelmap(_text(folder / "labelmap.txt").splitlines())
    return ClassTable()


def voc_colours(count: int = 256) -> NDArray[np.uint8]:
    """The colours of Pascal VOC: uint8 (count, 3). Bits of the number, spread over the colours."""
    numbers = np.arange(count)
    colours = np.zeros((count, 3), dtype=np.uint8)
    for level in range(8):
        for channel in range(3):
            bits = (numbers >> (3 * level + channel)) & 1
            colours[:, channel] |= (bits << (7 - level)).astype(np.uint8)
    return colours


def packed(colours: NDArray[np.generic]) -> NDArray[np.int64]:
    """Red, green and blue, the first three of the last axis, as one number of 24 bits."""
    return (colours[..., :3].astype(np.int64) * (65536, 256, 1)).sum(axis=-1)


def by_palette(stored: Stored, table: ClassTable) -> dict[int, str] | None:
    """What an indexed picture's values mean by their colours; None if one is not in a table."""
    if stored.palette is None or not table.colours:
        return None
    used = np.flatnonzero(np.bincount(stored.values.ravel())).tolist()
    colours = packed(stored.palette).tolist()
    if not all(value < len(colours) and colours[value] in table.colours for value in used):
        return None
    return {value: table.colours[colours[value]] for value in used}


def _by_id(rows: Sequence[Sequence[str]]) -> ClassTable:
    """classes.csv: `source_id,name,id`."""
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    if not {"id", "name"} <= {*head}:
        return ClassTable()
    number, name = head.index("id"), head.index("name")
    pairs = [(row[number].strip(), row[name]) for row in rows[1:] if len(row) == len(head)]
    return ClassTable(names={int(value): text for value, text in pairs if value.isdecimal()})


def _by_colour(rows: Sequence[Sequence[str]]) -> ClassTable:
    """class_dict.csv: `name,r,g,b`, and label_colors.txt: `r g b name`."""
    names, colours = [], {}
    for row in rows:
        cells = row if len(row) > 1 else row[0].split(maxsplit=3) if row else []
        if len(cells) != 4:
            continue
        name, rgb = (cells[3], cells[:3]) if cells[0].strip().isdecimal() else (cells[0], cells[1:])
        if all(map(_is_byte, rgb)):
            names.append(name.strip())
            colours[int(packed(np.array([int(cell) for cell in rgb])))] = name.strip()
    return ClassTable(names=dict(enumerate(names)), colours=colours)


def _labelmap(lines: Sequence[str]) -> ClassTable:
    """labelmap.txt: `name:r,g,b:parts:actions`; colours may be left out."""
    names, colours = [], {}
    for line in lines:
        parts = line.rsplit(":", 3)
        if line.startswith("#") or len(parts) < 4 or not parts[0].strip():
            continue
        names.append(parts[0].strip())
        rgb = parts[1].split(",")
        if len(rgb) == 3 and all(map(_is_byte, rgb)):
            colours[int(packed(np.array([int(cell) for cell in rgb])))] = names[-1]
    listed = [name for name in names if name.casefold() not in IGNORED]
    start = 0 if names and is_nothing(names[0]) else 1
    return ClassTable(names=dict(enumerate(listed, start)), colours=colours)


def _is_byte(cell: str) -> bool:
    return cell.strip().isdecimal() and len(cell.strip()) <= 3


def _rows(path: Path) -> list[list[str]]:
    return [row for row in csv.reader(StringIO(_text(path), newline="")) if row]


def _text(path: Path) -> str:
    require_regular_file(path)
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"{path}: too large for a table of classes; check the file")
        return path.read_bytes().decode("utf-8-sig", "replace")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check it") from error


_TABLES = {"classes.csv": _by_id, "label_colors.txt": _by_colour, "class_dict.csv": _by_colour}
