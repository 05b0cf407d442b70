"""Frames with their instances, and the paths that they came along."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from instseg.core.colors import INSTANCE_COLORS, Rgb
from instseg.core.instances import Instances
from instseg.visualize.draw import draw_colored, draw_labels_of, drawing_scale
from instseg.visualize.instance_colors import ColorBy, colors_by
from instseg.visualize.label_plates import draw_label_plates

WHITE, UNCONFIRMED = (255, 255, 255), (150, 150, 150)
OPACITY = 0.4
TRAIL = 30  # frames of a trail
WIDEST_PX = 3.0  # of a trail at its end, on a frame of 640 x 480

Mark = tuple[NDArray[np.float64], str]  # points (n, 2) of a line or zone, and what is written there
Trail = tuple[Rgb, NDArray[np.float64]]  # colour, and places (n, 2), the oldest first


def track_color(track_id: int) -> Rgb:
    """The colour of a track, the same in all frames; grey for -1."""
    return INSTANCE_COLORS[track_id % len(INSTANCE_COLORS)] if track_id >= 0 else UNCONFIRMED


@dataclass
class Trails:
    """The last places of each track that was seen lately.

    Attributes:
        length: How many frames back they reach.
    """

    length: int = TRAIL
    _places: dict[int, deque[tuple[int, tuple[float, float]]]] = field(default_factory=dict)
    _frame: int = 0

    def add(self, track_ids: NDArray[np.int64], centroids: NDArray[np.float64]) -> None:
        """Take the next frame.

        Args:
            track_ids: (N,), -1 for none.
            centroids: (N, 2), x y in pixels.
        """
        self._frame += 1
        for track_id, (x, y) in zip(track_ids.tolist(), centroids.tolist(), strict=True):
            if track_id >= 0:
                self._places.setdefault(track_id, deque()).append((self._frame, (x, y)))
        oldest = self._frame - self.length
        for track_id, places in list(self._places.items()):
            while places and places[0][0] <= oldest:
                places.popleft()
            if not places:
                del self._places[track_id]

    def current(self, colors: dict[int, Rgb]) -> list[Trail]:
        """The trails of some tracks up to now.

        Args:
            colors: By track id.
        """
        return [
            (colors[track_id], np.array([place for _, place in places]))
            for track_id, places in self._places.items()
            if track_id in colors and len(places) > 1
        ]


def colors_of(found: Instances, track_ids: NDArray[np.int64], color_by: ColorBy) -> list[Rgb]:
    """The colour of each instance of a frame: of its track, or of its class."""
    if color_by == "class":
        return colors_by(color_by, found.names, found.boxes)
    return [track_color(track_id) for track_id in track_ids.tolist()]


def draw_tracks(
    image: NDArray[np.uint8],
    found: Instances,
    track_ids: NDArray[np.int64],
    colors: Sequence[Rgb],
    trails: Sequence[Trail] = (),
    counts: Sequence[Mark] = (),
) -> NDArray[np.uint8]:
    """Draw the instances of a frame with their ids; trails, lines and zones below the labels.

    Args:
        image: uint8 RGB (H, W, 3); not modified.
        found: N instances of the frame.
        track_ids: (N,), -1 for those without an id, whose labels show the class alone.
        colors: Of each instance.
        trails: Of their tracks.
        counts: The lines and zones where tracks are counted.

    Returns:
        A new uint8 (H, W, 3) array.
    """
    # by id rather than by score, so that labels keep their places from frame to frame
    order = np.lexsort((track_ids, track_ids < 0)).tolist()
    names = found.names
    labels = [(i, names[i] if track_ids[i] < 0 else f"{names[i]} #{track_ids[i]}") for i in order]
    canvas = draw_colored(image, found, colors, opacity=OPACITY, show_boxes=False)
    canvas = _with_lines(canvas, trails, counts)
    _write_counts(canvas, counts)
    draw_labels_of(canvas, found, colors, labels)
    return canvas


def _with_lines(
    image: NDArray[np.uint8], trails: Sequence[Trail], counts: Sequence[Mark]
) -> NDArray[np.uint8]:
    """A frame with trails, which become wider towards their end, lines and zones, all edged."""
    if not trails and not counts:
        return image
    picture = Image.fromarray(image)
    pen = ImageDraw.Draw(picture)
    widest = WIDEST_PX * drawing_scale((image.shape[0], image.shape[1]))
    for margin in (2, 0):
        for color, places in trails:
            points = _points(places)
            for number in range(1, len(points)):
                width = max(round(widest * number / len(points)), 1) + margin
                fill = (0, 0, 0) if margin else color
                pen.line(points[number - 1 : number + 1], fill=fill, width=width)
        for corners, _ in counts:
            points = _points(corners)
            fill = (0, 0, 0) if margin else WHITE
            closed = points[:1] if len(points) > 2 else []
            pen.line(points + closed, fill=fill, width=max(round(widest / 2), 1) + margin)
    return np.array(picture)


def _points(places: NDArray[np.float64]) -> list[tuple[float, float]]:
    return [(x, y) for x, y in places.tolist()]


def _write_counts(canvas: NDArray[np.uint8], counts: Sequence[Mark]) -> None:
    middles = [points.mean(axis=0).round().astype(np.int64) for points, _ in counts]
    boxes = np.array([[x, y, x + 1, y + 1] for x, y in middles], np.int64).reshape(-1, 4)
    texts, scale = [text for _, text in counts], drawing_scale((canvas.shape[0], canvas.shape[1]))
    draw_label_plates(canvas, texts, boxes, [WHITE] * len(texts), scale)
