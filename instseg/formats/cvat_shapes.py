"""The elements of CVAT's XML that are shapes, and what is between two of a track."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from instseg.formats.drawn import Drawn
from instseg.formats.rings import ellipse, rectangle

NO_OBJECTS = ("points", "polyline", "cuboid", "skeleton", "tag")
"""Elements that are told and left out."""

SHAPES = ("box", "ellipse", "polygon", "mask")

Types = Mapping[tuple[str, str], str]
"""The input type of each attribute: by label and name."""

_BOX = ("xtl", "ytl", "xbr", "ybr")
_ELLIPSE = ("cx", "cy", "rx", "ry")
_MASK = ("left", "top", "width", "height")
_MOST_MASK_PIXELS = 2**30


@dataclass(frozen=True, kw_only=True, eq=False)
class CvatShape:
    """A shape.

    Attributes:
        kind: One of `SHAPES`.
        label: The class.
        numbers: Of a box its corners, of an ellipse its center and radii, of a polygon x, y in
            turns, of a mask left, top, width, height.
        runs: Of a mask, row by row, beginning with background.
        degrees: How far a box or ellipse is turned, clockwise.
        group: Joins parts; 0 for none.
        more: Score, track and attributes of the object.
        frame: In a track.
        outside: Whether the track pauses here.
    """

    kind: str
    label: str
    numbers: NDArray[np.float64]
    runs: NDArray[np.int64] | None = None
    degrees: float = 0.0
    group: str = "0"
    more: Mapping[str, Any]
    frame: int = 0
    outside: bool = False


def parsed(
    element: Element, types: Types, *, label: str | None = None, group: str | None = None
) -> CvatShape:
    """The shape of an element.

    Args:
        element: Of one of `SHAPES`.
        types: Of attributes.
        label: Of the track; None for the element's own.
        group: Of the track; None for the element's own.

    Raises:
        ValueError: It is broken, in the plural.
    """
    label = element.get("label") if label is None else label
    if not label:
        raise ValueError("shapes without a label")
    try:
        numbers, runs = _geometry(element)
        degrees = float(element.get("rotation") or 0)
        frame = int(element.get("frame") or 0)
    except (ValueError, AttributeError, TypeError, OverflowError):
        raise ValueError(f"{element.tag} elements whose numbers are missing or wrong") from None
    if not np.isfinite(numbers).all() or not np.isfinite(degrees):
        raise ValueError(f"{element.tag} elements whose numbers are not finite")
    return CvatShape(
        kind=element.tag,
        label=label,
        numbers=numbers,
        runs=runs,
        degrees=degrees,
        group=(element.get("group_id") if group is None else group) or "0",
        more=_more(element, label, types),
        frame=frame,
        outside=element.get("outside") == "1",
    )


def drawn(shape: CvatShape) -> Drawn:
    """A shape as it is in the photo.

    Raises:
        ValueError: Of a polygon without 3 points, or a mask whose runs do not fit, in the plural.
    """
    common: dict[str, Any] = {"label": shape.label, "more": shape.more}
    common["group"] = shape.group if shape.group not in ("", "0") else None
    if shape.kind == "polygon":
        if len(shape.numbers) < 6:
            raise ValueError("polygons of fewer than 3 points")
        return Drawn(ring=shape.numbers.reshape(-1, 2), **common)
    a, b, c, d = shape.numbers.tolist()
    if shape.kind == "box":
        if shape.degrees % 360:
            return Drawn(ring=rectangle(a, b, c, d, shape.degrees), **common)
        return Drawn(box=(min(a, c), min(b, d), max(a, c), max(b, d)), **common)
    if shape.kind == "ellipse":
        return Drawn(ring=ellipse((a, b), (abs(c), abs(d)), shape.degrees), **common)
    width, height = int(c), int(d)
    assert shape.runs is not None
    fits = 0 < width * height <= _MOST_MASK_PIXELS and min(width, height) > 0
    if not fits or (shape.runs < 0).any() or shape.runs.sum() != width * height:
        raise ValueError("masks whose rle does not fit their width and height")
    filled = np.repeat(np.arange(len(shape.runs)) % 2 == 1, shape.runs)
    return Drawn(mask=(filled.reshape(height, width), (int(b), int(a))), **common)


def along(shapes: Sequence[CvatShape], frames: Sequence[int]) -> Iterator[CvatShape]:
    """A track in each of the frames in which it is seen.

    Between two keyframes, boxes and ellipses move evenly, as in CVAT, and others stay. The last
    one stays until the end, unless it is outside.

    Args:
        shapes: Of the track, in any order.
        frames: All frames, in order.
    """
    ordered = sorted(shapes, key=lambda shape: shape.frame)
    starts = np.array([shape.frame for shape in ordered])
    for frame in frames:
        at = int(np.searchsorted(starts, frame, side="right")) - 1
        if at < 0 or ordered[at].outside:
            continue
        here = ordered[at]
        if here.frame == frame or at + 1 == len(ordered):
            yield replace(here, frame=frame)
        else:
            yield _between(here, ordered[at + 1], frame)


def _between(one: CvatShape, other: CvatShape, frame: int) -> CvatShape:
    if one.kind != other.kind or one.kind not in ("box", "ellipse") or other.outside:
        return replace(one, frame=frame)
    share = (frame - one.frame) / (other.frame - one.frame)
    numbers = one.numbers + share * (other.numbers - one.numbers)
    turn = (other.degrees - one.degrees + 180) % 360 - 180  # the shorter way
    return replace(one, frame=frame, numbers=numbers, degrees=one.degrees + share * turn)


def _geometry(element: Element) -> tuple[NDArray[np.float64], NDArray[np.int64] | None]:
    if element.tag == "polygon":
        text = str(element.attrib["points"]) if "points" in element.attrib else ""
        flat = text.replace(";", ",").strip(", ").split(",")
        if len(flat) % 2:
            raise ValueError
        return np.array(flat, dtype=np.float64), None
    names = {"box": _BOX, "ellipse": _ELLIPSE, "mask": _MASK}[element.tag]
    numbers = np.array([float(element.get(name) or "") for name in names])
    if element.tag != "mask":
        return numbers, None
    return numbers, np.array((element.get("rle") or "").split(","), dtype=np.int64)


def _more(element: Element, label: str, types: Types) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    for each in element.iterfind("attribute"):
        name, text = each.get("name") or "", (each.text or "").strip()
        if name and text:
            attributes[name] = _value(text, types.get((label, name), "text"))
    if element.get("occluded") == "1":
        attributes["occluded"] = True
    if (element.get("z_order") or "0") != "0":
        attributes["z_order"] = _value(element.get("z_order") or "", "number")
    score, track = attributes.get("score"), attributes.get("track_id")
    more: dict[str, Any] = {}
    if isinstance(score := _value(str(score), "number"), int | float) and 0 <= score <= 1:
        more["score"] = float(score)
        del attributes["score"]
    if isinstance(track := _value(str(track), "number"), int):
        more["track_id"] = track
        del attributes["track_id"]
    return {**more, "attributes": attributes or None}


def _value(text: str, kind: str) -> Any:
    """The value of an attribute by its input type; text where it does not fit."""
    if kind == "checkbox":
        return {"true": True, "false": False}.get(text.lower(), text)
    if kind == "number":
        for number in (int, float):
            try:
                value = number(text)
            except (ValueError, OverflowError):
                continue
            return value if np.isfinite(value) else text
    return text
