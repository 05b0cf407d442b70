"""Counts of tracks: of each class, across lines and in zones, by the tools of supervision."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import ArgumentError
from instseg.core.instances import Instances
from instseg.system.atomic import replacing

if TYPE_CHECKING:
    import supervision as sv

UNITS = "pixels, or each with % of the width or height"


@dataclass(frozen=True, kw_only=True)
class LineCount:
    """Crossings of a line, each by class name.

    Attributes:
        line: As it was given.
        in_: From the right-hand to the left-hand side of someone who walks from its first point to
            its second: for a line from left to right, upwards in the picture.
        out: The other way.
    """

    line: str
    in_: Mapping[str, int]
    out: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class ZoneCount:
    """Tracks in a zone, each by class name.

    Attributes:
        zone: As it was given.
        inside: In the last frame.
        visited: That were inside in any frame.
    """

    zone: str
    inside: Mapping[str, int]
    visited: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What was counted up to a frame.

    Attributes:
        tracks: Number of tracks by class name.
        lines: The lines, in the order given.
        zones: The zones, in the order given.
    """

    tracks: Mapping[str, int]
    lines: tuple[LineCount, ...]
    zones: tuple[ZoneCount, ...]

    def to_json(self) -> dict[str, Any]:
        """As it is written to counts.json."""
        return {
            "tracks": dict(self.tracks),
            "lines": [{"line": each.line, "in": each.in_, "out": each.out} for each in self.lines],
            "zones": [asdict(each) for each in self.zones],
        }

    def texts(self) -> list[str]:
        """One line of text for each line and zone, in the order given, to be shown beside it."""
        lines = [f"in {_total(each.in_)}, out {_total(each.out)}" for each in self.lines]
        zones = [
            f"inside {_total(each.inside)}, visited {_total(each.visited)}" for each in self.zones
        ]
        return lines + zones

    def write(self, path: Path) -> None:
        """Write counts.json.

        Raises:
            InputError: It cannot be written.
        """
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(self.to_json(), indent=1) + "\n")


class Counter:
    """Counts the tracks of one video, frame by frame, by the middles of their boxes.

    Args:
        lines: Each as `x1,y1,x2,y2`, in pixels or, with % behind each number, in percent of the
            width and height. A track crosses once both its sides were seen within two frames.
        zones: Each as `x1,y1,x2,y2,x3,y3,...`: the corners of a polygon.

    Raises:
        ArgumentError: A line or a zone is not written like this.
    """

    def __init__(self, lines: Sequence[str] = (), zones: Sequence[str] = ()) -> None:
        self.lines, self.zones = tuple(lines), tuple(zones)
        for line in lines:
            _points(line, "count_line", 2, 2)
        for zone in zones:
            _points(zone, "zone", 3)
        self._line_zones: list[sv.LineZone] = []
        self._polygon_zones: list[sv.PolygonZone] = []
        self._names: dict[int, str] = {}
        self._seen: dict[int, set[int]] = defaultdict(set)
        self._inside: list[dict[int, int]] = [{} for _ in zones]
        self._visited: list[dict[int, set[int]]] = [defaultdict(set) for _ in zones]
        self._begun = False

    def shapes(self, size_hw: tuple[int, int]) -> list[NDArray[np.float64]]:
        """The points of the lines, then those of the zones: float64 (P, 2), x and y in pixels.

        Raises:
            ArgumentError: One lies outside of frames of this size.
        """
        lines = [_points(line, "count_line", 2, 2, size_hw) for line in self.lines]
        shapes = lines + [_points(zone, "zone", 3, None, size_hw) for zone in self.zones]
        height, width = size_hw
        for points, text in zip(shapes, (*self.lines, *self.zones), strict=True):
            if (points.min(axis=0) > (width, height)).any() or (points.max(axis=0) < 0).any():
                raise ArgumentError(f"{text} lies outside of the frames of {width} x {height} px")
        return shapes

    def update(self, found: Instances, track_ids: NDArray[np.int64]) -> None:
        """Count a frame.

        Args:
            found: The instances of the frame.
            track_ids: int64 (N,), as `Tracker.update` gives them; those of -1 are left out.
        """
        rows = np.flatnonzero(track_ids >= 0)
        for row in rows.tolist():
            class_id = int(found.class_ids[row])
            self._names.setdefault(class_id, found.class_names[class_id])
            self._seen[class_id].add(int(track_ids[row]))
        if not self.lines and not self.zones:
            return
        import supervision as sv

        if not self._begun:
            self._begin(found.size_hw)
        tracked = sv.Detections(
            found.boxes[rows], class_id=found.class_ids[rows], tracker_id=track_ids[rows]
        )
        for line in self._line_zones:
            line.trigger(tracked)
        for i, zone in enumerate(self._polygon_zones):
            inside = zone.trigger(tracked)
            self._inside[i] = dict[int, int]()
            for class_id, track_id in zip(
                found.class_ids[rows][inside].tolist(),
                track_ids[rows][inside].tolist(),
                strict=True,
            ):
                self._inside[i][class_id] = self._inside[i].get(class_id, 0) + 1
                self._visited[i][class_id].add(track_id)

    def _begin(self, size_hw: tuple[int, int]) -> None:
        import supervision as sv

        shapes, self._begun = self.shapes(size_hw), True
        for start, end in shapes[: len(self.lines)]:
            middle = (sv.Position.CENTER,)
            self._line_zones.append(sv.LineZone(sv.Point(*start), sv.Point(*end), middle))
        for corners in shapes[len(self.lines) :]:
            polygon = np.rint(corners).astype(np.int64)
            self._polygon_zones.append(sv.PolygonZone(polygon, (sv.Position.CENTER,)))

    def result(self) -> Counts:
        """What was counted so far."""
        lines = [
            LineCount(
                line=line,
                in_=self._named(zone.in_count_per_class if zone else {}),
                out=self._named(zone.out_count_per_class if zone else {}),
            )
            for line, zone in zip(
                self.lines, self._line_zones or [None] * len(self.lines), strict=True
            )
        ]
        zones = [
            ZoneCount(
                zone=zone,
                inside=self._named(inside),
                visited=self._named({each: len(ids) for each, ids in visited.items()}),
            )
            for zone, inside, visited in zip(self.zones, self._inside, self._visited, strict=True)
        ]
        tracks = self._named({each: len(ids) for each, ids in self._seen.items()})
        return Counts(tracks=tracks, lines=tuple(lines), zones=tuple(zones))

    def _named(self, by_class: Mapping[Any, int]) -> dict[str, int]:
        """Counts by class name, the classes in the order of their ids."""
        return {self._names[each]: by_class[each] for each in sorted(by_class)}


def _total(by_class: Mapping[str, int]) -> int:
    return sum(by_class.values())


def _points(
    text: str,
    option: str,
    least: int,
    most: int | None = None,
    size_hw: tuple[int, int] = (1, 1),
) -> NDArray[np.float64]:
    """The points (P, 2), x and y in pixels of an image of this size, that a text names.

    Raises:
        ArgumentError: There are fewer points than `least`, more than `most`, or no numbers.
    """
    numbers = []
    for i, part in enumerate(text.split(",")):
        number, percent = part.strip().removesuffix("%"), part.strip().endswith("%")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        numbers.append(value * size_hw[1 - i % 2] / 100 if percent else value)
    points = np.array(numbers[: len(numbers) // 2 * 2]).reshape(-1, 2)
    many = len(points) < least or len(points) > (most or len(points))
    if len(numbers) % 2 or many or not np.isfinite(points).all():
        wanted = "x1,y1,x2,y2" if most else "x1,y1,x2,y2,x3,y3 and on"
        raise ArgumentError(f"{{{option}}} must be {wanted}, in {UNITS}", **{option: text})
    if most == 2 and (points[0] == points[1]).all():
        raise ArgumentError(f"{{{option}}} must have two different points", **{option: text})
    return points
