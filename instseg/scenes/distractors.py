"""Things of no class, which hide a part of the others and teach what to leave alone."""

import numpy as np

from instseg.scenes.pen import (
    Drawing,
    Pen,
    Rng,
    box,
    random_color,
    rounded,
    shaded,
)


def _polygon(pen: Pen, rng: Rng) -> None:
    wide, high, slant = rng.uniform((0.1, 0.1, 0.0), (0.4, 0.4, 0.6))
    corners = [(-wide * slant, -high), (wide, -high), (wide, high), (-wide, high)]
    pen.polygon(corners, random_color(rng, saturation=(0.0, 1.0), value=(0.2, 1.0)))


def _blob(pen: Pen, rng: Rng) -> None:
    turn = np.linspace(0, 2 * np.pi, 9)[:8]
    radius = rng.uniform(0.08, 0.5, 8)
    outline = np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1)
    color = random_color(rng, saturation=(0.0, 0.5), value=(0.2, 0.9))
    pen.polygon(rounded(outline, 3), color)
    pen.polygon(rounded(outline * 0.6, 3), shaded(color, rng.uniform(0.6, 1.3)))


def _stick(pen: Pen, rng: Rng) -> None:
    color = random_color(rng, saturation=(0.0, 0.8), value=(0.2, 0.9))
    pen.line([(0, -0.48), (rng.uniform(-0.1, 0.1), 0.0), (0, 0.48)], rng.uniform(0.04, 0.1), color)


def _star(pen: Pen, rng: Rng) -> None:
    tips = int(rng.integers(5, 9))
    turn = np.arange(2 * tips) * np.pi / tips
    radius = np.where(np.arange(2 * tips) % 2, rng.uniform(0.15, 0.3), 0.5)
    pen.polygon(np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1), random_color(rng))


def _cross(pen: Pen, rng: Rng) -> None:
    color, width = random_color(rng, saturation=(0.0, 1.0)), rng.uniform(0.1, 0.25)
    pen.line([(0, -0.4), (0, 0.4)], width, color)
    pen.line([(-0.4, 0), (0.4, 0)], width, color)


def _carton(pen: Pen, rng: Rng) -> None:
    color = random_color(rng, (0.05, 0.12), (0.1, 0.6), (0.4, 0.9))
    high, deep = rng.uniform(0.1, 0.4), rng.uniform(0.08, 0.2)
    pen.polygon(box(-0.45, -high, 0.3, high), color)
    pen.polygon(
        [(-0.45, -high), (-0.3, -high - deep), (0.45, -high - deep), (0.3, -high)],
        shaded(color, 1.2),
    )
    pen.polygon(
        [(0.3, -high), (0.45, -high - deep), (0.45, high - deep), (0.3, high)], shaded(color, 0.7)
    )
    pen.polygon(box(-0.12, -high, -0.03, high), shaded(color, 0.85))


def _writing(pen: Pen, rng: Rng) -> None:
    ink = random_color(rng, saturation=(0.0, 1.0), value=(0.1, 0.9))
    for y in np.arange(-0.2, 0.25, 0.16):
        x = -0.45
        while x < 0.35:
            end = x + rng.uniform(0.05, 0.2)
            pen.line([(x, y), (end, y + rng.uniform(-0.03, 0.03))], 0.07, ink)
            x = end + 0.14


DISTRACTOR = Drawing(
    (_polygon, _blob, _blob, _stick, _star, _cross, _carton, _writing),
)
