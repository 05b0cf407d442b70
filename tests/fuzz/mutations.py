"""Ways to break bytes and JSON, and to write the same JSON differently."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

STRANGE: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        "",
        " ",
        "0",
        "-1",
        "nan",
        "NaN",
        "null",
        "[]",
        "a\nb",
        "\x1b[31m",
        "é" * 40,
    ),
    *(0, 1, -1, 0.5, -0.0, 1e-300, 1e308, 2**31, 2**63, 2**70, -(2**40), 10**9),
    *(float("nan"), float("inf"), float("-inf")),
    *([], {}, [[]], [None], [[0, 0]], [1, 2, 3, 4], {"": 0}, {"size": [1, 1], "counts": "0"}),
    *(
        "../../etc/passwd",
        "C:\\photos\\x.jpg",
        "%00",
        "\udcff",
        "=1+1",
        "<img onerror=x>",
        "x" * 3000,
    ),
)


def broken_bytes(content: bytes, chance: random.Random) -> bytes:
    """The content after one to four random edits."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        length = min(chance.choice((1, 2, 4, 16, 256)), len(data) - at)
        match chance.randrange(7):
            case 0:
                del data[at:]
            case 1:
                del data[at : at + length]
            case 2:
                data[at:at] = chance.randbytes(max(length, 1))
            case 3:
                data[at : at + length] = chance.randbytes(length)
            case 4:
                data[at : at + length] = bytes(length)
            case 5:
                data[at:at] = data[at : at + length]
            case _ if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
    return bytes(data)


def broken_json(value: Any, chance: random.Random) -> Any:
    """A copy after one to three random edits, each at a random place."""
    value = copy.deepcopy(value)
    for _ in range(chance.randint(1, 3)):
        place = random_place(value, chance)
        if place is None:
            return chance.choice(STRANGE)
        parent, key = place
        match chance.randrange(6):
            case 0:
                del parent[key]
            case 1 if isinstance(parent, list):
                parent.insert(key, copy.deepcopy(parent[key]))
            case 2 if isinstance(parent, list):
                chance.shuffle(parent)
            case 3 if isinstance(parent, dict):
                parent[chance.choice(("size", "id", "extra", "", "\x00"))] = parent.pop(key)
            case 4:
                parent[key] = wrapped(parent[key], chance)
            case _:
                parent[key] = copy.deepcopy(chance.choice(STRANGE))
    return value


def wrapped(value: Any, chance: random.Random) -> Any:
    """The value in other clothes: as text, in a list, as a float, with another sign."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    options = [str(value), [value], {"value": value}]
    options += [float(value), -value, value * 1000, value + 0.5] if number else []
    return chance.choice(options)


def random_place(value: Any, chance: random.Random) -> tuple[Any, Any] | None:
    """A container and one of its keys, at any depth; None where there is none."""
    place = None
    while isinstance(value, dict | list) and value:
        key = (
            chance.choice(list(value)) if isinstance(value, dict) else chance.randrange(len(value))
        )
        place = (value, key)
        if chance.random() < 0.25:
            break
        value = value[key]
    return place


def rewritten(document: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """A COCO document that means the same, as other tools write it: nothing of it may be lost."""
    document = copy.deepcopy(document)
    ways = chance.sample(sorted(REWRITES), chance.randint(1, 3))
    for way in ways:
        REWRITES[way](document)
    return document


def _everywhere(section: str, key: str, change: Any) -> Any:
    def rewrite(document: dict[str, Any]) -> None:
        for record in document[section]:
            if key in record:
                record[key] = change(record[key])

    return rewrite


def _all_numbers(change: Any) -> Any:
    def rewrite(document: dict[str, Any]) -> None:
        for section in ("images", "annotations", "categories"):
            for record in document[section]:
                for key in ("id", "image_id", "category_id", "width", "height"):
                    if isinstance(record.get(key), int):
                        record[key] = change(record[key])

    return rewrite


def _without(section: str, *keys: str) -> Any:
    def rewrite(document: dict[str, Any]) -> None:
        for record in document[section]:
            for key in keys:
                record.pop(key, None)

    return rewrite


def _polygons(change: Any) -> Any:
    def keep_rle(outline: Any) -> Any:
        plain = isinstance(outline, list) and isinstance(outline[0], list)
        return change(outline) if plain else outline

    return _everywhere("annotations", "segmentation", keep_rle)


def _pairs(flat: list[float]) -> list[list[float]]:
    return [list(point) for point in zip(flat[::2], flat[1::2], strict=True)]


def _numbers_as_text(value: Any) -> Any:
    return [_numbers_as_text(each) for each in value] if isinstance(value, list) else str(value)


def _in_text(value: Any) -> Any:
    return value if isinstance(value, str) else json.dumps(value)


REWRITES = {
    "numbers as floats": _all_numbers(float),
    "numbers as text": _all_numbers(str),
    "no image sizes": _without("images", "width", "height"),
    "no areas": _without("annotations", "area"),
    "no crowd flags on objects": lambda document: [
        each.pop("iscrowd") for each in document["annotations"] if each.get("iscrowd") == 0
    ],
    "boxes as text": _everywhere("annotations", "bbox", lambda box: [str(value) for value in box]),
    "boxes as floats": _everywhere("annotations", "bbox", lambda box: [float(v) for v in box]),
    "nested points": _polygons(lambda parts: [_pairs(part) for part in parts]),
    "numbers of outlines as text": _polygons(_numbers_as_text),
    "names with a folder": _everywhere("images", "file_name", lambda name: f"images/{name}"),
    "names with a backslash": _everywhere("images", "file_name", lambda name: f"train\\{name}"),
    "absolute names": _everywhere("images", "file_name", lambda name: f"/home/me/set/{name}"),
    "names with escapes": _everywhere("images", "file_name", lambda name: name.replace("0", "%30")),
    "names of another format": _everywhere(
        "images", "file_name", lambda name: name.replace(".png", ".PNG")
    ),
    "names with a dot in front": _everywhere("images", "file_name", lambda name: f"./{name}"),
    "outlines as JSON text": _everywhere("annotations", "segmentation", _in_text),
    "RLE in a list": _everywhere(
        "annotations", "segmentation", lambda one: [one] if isinstance(one, dict) else one
    ),
    "names in capitals": _everywhere("images", "file_name", lambda name: name.upper()),
}
