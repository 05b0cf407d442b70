"""All formats by name."""

from __future__ import annotations

import importlib
from itertools import chain, islice
from pathlib import Path
from typing import Literal, get_args

from instseg.core.errors import InputError
from instseg.files.coco_json import read_document
from instseg.files.xml_file import read_xml
from instseg.formats.format import LOOKED_AT, Format

FormatName = Literal[
    "coco-panoptic",
    "coco",
    "cvat",
    "label-studio",
    "labelme",
    "via",
    "yolo-seg",
    "yolo",
    "cityscapes",
    "voc",
    "instance-png",
    "label-map",
]
NAMES: tuple[FormatName, ...] = get_args(FormatName)
"""In the order in which they are tried on unknown files: special ones first."""


def format_of(name: str) -> Format:
    """The format of a name."""
    found = importlib.import_module(f"instseg.formats.{name.replace('-', '_')}").FORMAT
    assert isinstance(found, Format)
    return found


def recognised(path: Path) -> Format:
    """The format of a file or folder, found by looking.

    Raises:
        InputError: It does not exist, is packed, or has no known format.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; check the path")
    if path.is_file() and path.suffix.lower() in (".zip", ".tar", ".gz", ".tgz", ".rar", ".7z"):
        raise InputError(f"{path}: is packed; unpack it and give its folder")
    for name in NAMES:
        each = format_of(name)
        if each.recognises(path):
            return each
    if path.is_dir() and not any(path.iterdir()):
        raise InputError(f"{path}: is empty; give the folder that the tool exported")
    if reason := _unreadable(path):
        reason = reason.removeprefix(f"{path}: ")
        raise InputError(f"{path}: none of the known formats: {reason}")
    raise InputError(
        f"{path}: none of the known formats, {', '.join(NAMES)}; give the file or folder that the "
        "tool exported, or name its format with instseg convert --from-format"
    )


def _unreadable(path: Path) -> str:
    """Why a file, or the first broken one of those in a folder, cannot be read; "" if it can."""
    patterns = ("*.json", "*.xml", "*/*.json", "*/*.xml")
    files = [path] if path.is_file() else chain.from_iterable(map(path.glob, patterns))
    for file in islice(files, LOOKED_AT):
        reads = {".json": read_document, ".xml": read_xml}.get(file.suffix.lower())
        try:
            if reads is not None:
                reads(file)
        except InputError as error:
            return str(error)
    return ""
