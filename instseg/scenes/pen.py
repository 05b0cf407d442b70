"""A pen that draws one object as a sprite: colours, and the silhouette that becomes its mask."""

import colorsys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

T = TypeVar("T")
Rng = np.random.Generator
Outline = npt.NDArray[np.float64]
Points = npt.ArrayLike  # (N, 2), x and y
Color = tuple[int, ...]  # RGB, or RGBA where the paint is translucent
Range = tuple[float, float]

SUPERSAMPLING = 2

WHITE: Color = (245, 245, 240)
BLACK: Color = (28, 28, 32)
STEEL: Color = (140, 145, 150)
BROWN: Color = (105, 70, 35)


@dataclass(frozen=True, kw_only=True)
class Sprite:
    """A drawn object cut to its silhouette: `image` RGB, `alpha` L, `mask` bool (h, w)."""

    image: Image.Image
    alpha: Image.Image
    mask: npt.NDArray[np.bool_]


def random_color(
    rng: Rng,
    hue: Range = (0.0, 1.0),
    saturation: Range = (0.55, 1.0),
    value: Range = (0.5, 1.0),
) -> Color:
    """An RGB colour 0..255 with hue, saturation and value uniform in the given ranges (0..1)."""
    h, s, v = rng.uniform(*hue), rng.uniform(*saturation), rng.uniform(*value)
    return tuple(round(255 * c) for c in colorsys.hsv_to_rgb(h % 1, s, v))


def shaded(color: Color, factor: float) -> Color:
    """The colour made darker (factor < 1) or lighter (factor > 1)."""
    return tuple(min(255, round(c * factor)) for c in color)


def arc(x: float, y: float, rx: float, ry: float, start: float = 0, stop: float = 360) -> Outline:
    """Points (N, 2) on an ellipse; degrees clockwise from the right, as y points down."""
    return _unit_arc(start, stop) * (rx, ry) + (x, y)


@lru_cache
def _unit_arc(start: float, stop: float) -> npt.NDArray[np.float64]:
    turn = np.radians(np.linspace(start, stop, max(5, int(abs(stop - start) / 10))))
    return np.stack([np.cos(turn), np.sin(turn)], axis=1)


def pick(rng: Rng, options: Sequence[T]) -> T:
    """One of the options, all equally likely."""
    return options[int(rng.integers(len(options)))]


def box(x0: float, y0: float, x1: float, y1: float, corner: float = 0.0) -> Points:
    """A rectangle; its corners are cut off by `corner`, twice for a round look."""
    if not corner:
        return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    a, b = 0.3 * corner, corner
    right = [(x1 - b, y0), (x1 - a, y0 + a), (x1, y0 + b), (x1, y1 - b), (x1 - a, y1 - a)]
    left = [(x0 + b, y1), (x0 + a, y1 - a), (x0, y1 - b), (x0, y0 + b), (x0 + a, y0 + a)]
    return [*right, (x1 - b, y1), *left, (x0 + b, y0)]


def rounded(points: Points, times: int = 2) -> Outline:
    """The closed polygon with its corners cut off, Chaikin's way."""
    corners = np.asarray(points, dtype=np.float64)
    for _ in range(times):
        after = np.roll(corners, -1, axis=0)
        cut = np.stack([0.75 * corners + 0.25 * after, 0.25 * corners + 0.75 * after], axis=1)
        corners = cut.reshape(-1, 2)
    return corners


def symmetric(points: Points) -> Outline:
    """A right-hand outline, from top to bottom, closed by its mirror image on the left."""
    right = np.asarray(points, dtype=np.float64)
    return np.concatenate([right, right[::-1] * (-1, 1)])


class Pen:
    """Draws in unit coordinates: the object fills about -0.5..0.5, x right, y down.

    Solid shapes paint and extend the silhouette; the others only paint, so what they paint
    outside of it is never seen.
    """

    def __init__(self, long_side_px: float, *, turn_deg: float = 0.0, mirrored: bool = False):
        self._scale = long_side_px * SUPERSAMPLING
        side = (int(self._scale * 1.5) // 2 + 2) * SUPERSAMPLING
        self._centre = side / 2
        turn = np.radians(turn_deg)
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        self._matrix = np.diag([-1.0 if mirrored else 1.0, 1.0]) @ rotation * self._scale
        self._image = Image.new("RGB", (side, side))
        self._alpha = Image.new("L", (side, side))
        self._paint = ImageDraw.Draw(self._image, "RGBA")
        self._silhouette = ImageDraw.Draw(self._alpha)
        self._blank = True

    def polygon(self, points: Points, color: Color, *, solid: bool = True) -> None:
        """Fills a closed polygon."""
        flat = self._pixels(points)
        self._prime(color)
        self._paint.polygon(flat, fill=color)
        if solid:
            self._silhouette.polygon(flat, fill=255)

    def ellipse(
        self, x: float, y: float, rx: float, ry: float, color: Color, *, solid: bool = True
    ) -> None:
        """Fills an ellipse around (x, y)."""
        self.polygon(arc(x, y, rx, ry), color, solid=solid)

    def line(self, points: Points, width: float, color: Color, *, solid: bool = True) -> None:
        """Draws a stroke with round joints and, where it is thick enough to see, round ends."""
        flat = self._pixels(points)
        self._prime(color)
        pixels = max(1, round(width * self._scale))
        radius = pixels / 2
        targets = [(self._paint, color)] + [(self._silhouette, 255)] * solid
        for draw, fill in targets:
            draw.line(flat, fill=fill, width=pixels, joint="curve")
            if pixels > 4 and len(color) == 3:
                for x, y in (flat[:2], flat[-2:]):
                    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)

    def hole(self, points: Points) -> None:
        """Takes a polygon out of the silhouette."""
        self._silhouette.polygon(self._pixels(points), fill=0)

    def volume(self, x: float, y: float, rx: float, ry: float, strength: float = 1.0) -> None:
        """Makes an ellipse look round: dark below on the right, a highlight above on the left."""
        edge = np.asarray(arc(0, 0, 1, 1, -50, 140))
        thickness = np.sin(np.linspace(0, np.pi, len(edge)))[:, None]
        radii, centre = np.array([rx, ry]), np.array([x, y])
        for depth in (0.38, 0.2):
            crescent = np.concatenate([1.03 * edge, (edge * (1 - depth * thickness))[::-1]])
            self.polygon(crescent * radii + centre, (0, 0, 0, int(45 * strength)), solid=False)
        light = (255, 255, 255, int(90 * strength))
        self.ellipse(x - 0.4 * rx, y - 0.42 * ry, 0.2 * rx, 0.15 * ry, light, solid=False)

    def sprite(self, light: float = 0.0) -> Sprite:
        """The drawing at its final size, lit from the left (light > 0) or the right.

        Args:
            light: how much of its light the other side loses, -1..1.
        """
        left, top, right, bottom = self._alpha.getbbox() or (0, 0, 2, 2)
        window = (left & ~1, top & ~1, (right + 1) & ~1, (bottom + 1) & ~1)
        image = self._image.reduce(SUPERSAMPLING, window)
        alpha = self._alpha.reduce(SUPERSAMPLING, window)
        ramp = 255 * np.linspace(max(0, -light), max(0, light), 16)[None]
        veil = Image.fromarray(ramp.astype(np.uint8)).resize(image.size, Image.Resampling.BILINEAR)
        image.paste((0, 0, 0), (0, 0, *image.size), veil)
        return Sprite(image=image, alpha=alpha, mask=np.asarray(alpha) >= 128)

    def _pixels(self, points: Points) -> list[float]:
        flat: list[float] = (np.asarray(points) @ self._matrix + self._centre).ravel().tolist()
        return flat

    def _prime(self, color: Color) -> None:
        """Fills the empty canvas with the first colour, so that no edge pixel mixes with black."""
        if self._blank:
            self._image.paste(color[:3], (0, 0, *self._image.size))
            self._blank = False


@dataclass(frozen=True)
class Drawing:
    """How a class is drawn: equally likely variants, and how far it may be turned."""

    variants: tuple[Callable[[Pen, Rng], None], ...]
    turn_deg: float = 180.0
    mirrors: bool = True

    def sprite(self, rng: Rng, long_side_px: float) -> Sprite:
        """Draws one variant at a random turn, mirrored or not, lit from a random side."""
        turn = rng.uniform(-self.turn_deg, self.turn_deg)
        pen = Pen(long_side_px, turn_deg=turn, mirrored=self.mirrors and rng.random() < 0.5)
        pick(rng, self.variants)(pen, rng)
        return pen.sprite(light=rng.uniform(-0.4, 0.4))
