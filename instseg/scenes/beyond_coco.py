"""How things that COCO has no class for are drawn, in the unit coordinates of a `Pen`.

The demo weights have never seen them: they are what it can be taught.
"""

from itertools import pairwise

import numpy as np

from instseg.scenes.pen import (
    BLACK,
    BROWN,
    STEEL,
    WHITE,
    Color,
    Drawing,
    Pen,
    Rng,
    arc,
    box,
    pick,
    random_color,
    rounded,
    shaded,
    symmetric,
)

ROOFS: tuple[Color, ...] = ((165, 40, 30), (45, 50, 60), (40, 95, 85), (130, 75, 45))
LIGHTS: tuple[Color, ...] = ((255, 235, 140), (255, 205, 90), (190, 215, 225))
PANE: Color = (60, 75, 90)
FLAME: Color = (255, 160, 50)
SHADE: Color = (0, 0, 0, 45)


def _lighthouse(pen: Pen, rng: Rng) -> None:
    wall = pick(rng, (WHITE, WHITE, (215, 200, 175), random_color(rng, value=(0.6, 0.9))))
    paint, roof = random_color(rng, value=(0.3, 0.85)), pick(rng, ROOFS)
    foot, foot_y = rng.uniform(0.14, 0.22), rng.uniform(0.4, 0.48)
    neck, neck_y = foot * rng.uniform(0.55, 0.8), rng.uniform(-0.28, -0.2)
    pen.polygon(symmetric([(neck, neck_y), (foot, foot_y)]), wall)
    if rng.random() < 0.8:
        slant = pick(rng, (0.0, 0.0, 0.14))  # level rings, or a spiral
        edges = np.linspace(neck_y, foot_y, 2 * int(rng.integers(2, 5)) + 1).tolist()
        for top, low in zip(edges[1::2], edges[2::2], strict=True):
            ring = [(-foot, top - slant), (foot, top + slant), (foot, low + slant)]
            pen.polygon([*ring, (-foot, low - slant)], paint, solid=False)
    pen.polygon(box(0.3 * neck, neck_y, foot, foot_y), SHADE, solid=False)
    for y in np.linspace(neck_y + 0.1, foot_y - 0.26, int(rng.integers(1, 4))):
        pen.polygon(box(-0.025, y, 0.025, y + 0.06), PANE)
    arch = arc(0, foot_y - 0.1, 0.05, 0.05, 180, 360)
    pen.polygon([*arch, (0.05, foot_y), (-0.05, foot_y)], roof)
    _lantern(pen, rng, neck, neck_y, roof)
    pick(rng, (_rock, _rock, _cottage))(pen, rng, foot, foot_y)


def _lantern(pen: Pen, rng: Rng, neck: float, y: float, roof: Color) -> None:
    """The lit room above a gallery at height `y`, under a dome or a pointed roof."""
    room, top = 0.75 * neck, y - 0.14
    pen.polygon(box(-room, top, room, y), pick(rng, LIGHTS))
    for x in (-room, 0, room):
        pen.line([(x, top), (x, y)], 0.02, shaded(roof, 0.7))
    pen.polygon(symmetric([(neck + 0.045, y - 0.03), (neck, y + 0.03)]), shaded(roof, 0.8))
    ridge = y - rng.uniform(0.2, 0.24)
    if rng.random() < 0.5:
        pen.polygon(arc(0, top, room + 0.02, top - ridge, 180, 360), roof)
    else:
        pen.polygon([(-room - 0.04, top), (0, ridge), (room + 0.04, top)], roof)
    pen.line([(0, ridge), (0, ridge - 0.03)], 0.025, shaded(roof, 0.7))


def _rock(pen: Pen, rng: Rng, foot: float, foot_y: float) -> None:
    stone = random_color(rng, (0.05, 0.15), (0.05, 0.3), (0.3, 0.6))
    for reach, tone in ((foot + rng.uniform(0.06, 0.16), 1.0), (0.7 * foot, 1.2)):
        crag = [(-0.7 * reach, foot_y - 0.04), (0.2 * reach, foot_y), (0.8 * reach, foot_y - 0.05)]
        pen.polygon(rounded([*crag, (reach, 0.53), (-reach, 0.53)], 1), shaded(stone, tone))


def _cottage(pen: Pen, rng: Rng, foot: float, foot_y: float) -> None:
    wall, roof = pick(rng, (WHITE, (225, 205, 170), (170, 90, 70))), pick(rng, ROOFS)
    left, right = 0.55 * foot, 0.55 * foot + rng.uniform(0.22, 0.3)
    eaves, ridge, ground = foot_y - 0.14, foot_y - 0.27, foot_y + 0.02
    pen.polygon(box(left, eaves, right, ground), wall)
    slopes = [(left - 0.03, eaves), (left + 0.06, ridge), (right - 0.06, ridge)]
    pen.polygon([*slopes, (right + 0.03, eaves)], roof)
    for x in (left + 0.05, right - 0.1):
        pen.polygon(box(x, eaves + 0.04, x + 0.06, eaves + 0.1), PANE)
    pen.line([(-foot, ground), (right + 0.02, ground)], 0.04, (110, 115, 95))


def _hot_air_balloon(pen: Pen, rng: Rng) -> None:
    wide, high = rng.uniform(0.34, 0.42), rng.uniform(0.3, 0.38)
    mouth, mouth_y = rng.uniform(0.06, 0.1), rng.uniform(0.22, 0.28)
    hem, rope = rng.uniform(0.07, 0.11), pick(rng, (STEEL, BLACK, BROWN))
    for share in (-1, -0.3, 0.3, 1):
        pen.line([(share * mouth, mouth_y), (share * hem, 0.41)], 0.022, rope)
    if rng.random() < 0.5:
        pen.polygon([(-0.02, 0.38), (0, mouth_y), (0.02, 0.38)], FLAME)
    middle = high - 0.5
    right = np.concatenate([arc(0, middle, wide, high, -90, 30), [(mouth, mouth_y)]])
    colors = [random_color(rng, value=(0.6, 1.0)) for _ in range(int(rng.integers(1, 4)))]
    colors.append(pick(rng, (WHITE, random_color(rng, value=(0.2, 1.0)))))
    seams = np.sin(np.linspace(-np.pi / 2, np.pi / 2, int(rng.integers(7, 13))))
    for i, (west, east) in enumerate(pairwise(seams.tolist())):
        gore = np.concatenate([right * (west, 1), (right * (east, 1))[::-1]])
        pen.polygon(gore, colors[i % len(colors)])
    if rng.random() < 0.75:
        pick(rng, (_belt, _zigzag, _emblem))(pen, rng, middle)
    pen.volume(0, middle, wide, high)
    pen.ellipse(0, mouth_y, mouth, 0.02, (60, 40, 35))
    wicker = pick(rng, (BROWN, (150, 105, 60), (95, 60, 45)))
    pen.polygon(box(-hem, 0.39, hem, 0.5, 0.02), wicker)
    pen.line([(-hem, 0.4), (hem, 0.4)], 0.03, shaded(wicker, 0.6))
    pen.line([(-hem, 0.45), (hem, 0.45)], 0.015, shaded(wicker, 0.75), solid=False)


def _belt(pen: Pen, rng: Rng, y: float) -> None:
    y += rng.uniform(-0.1, 0.05)
    ring = [arc(0, y, 0.5, 0.08, 180, 0), arc(0, y + rng.uniform(0.08, 0.16), 0.5, 0.08, 0, 180)]
    pen.polygon(np.concatenate(ring), random_color(rng), solid=False)


def _zigzag(pen: Pen, rng: Rng, y: float) -> None:
    xs = np.linspace(-0.5, 0.5, 2 * int(rng.integers(4, 8)) + 1)
    ys = y + np.where(np.arange(len(xs)) % 2, -0.06, 0.06)
    pen.line(np.stack([xs, ys], axis=1), rng.uniform(0.05, 0.09), random_color(rng), solid=False)


def _emblem(pen: Pen, rng: Rng, y: float) -> None:
    color = random_color(rng)
    pen.ellipse(0, y, 0.2, 0.19, WHITE, solid=False)
    pen.ellipse(0, y, 0.165, 0.155, color, solid=False)
    if rng.random() < 0.5:
        pen.ellipse(0, y, 0.1, 0.095, WHITE, solid=False)


BEYOND_COCO: dict[str, Drawing] = {
    "lighthouse": Drawing((_lighthouse,), 8),
    "hot air balloon": Drawing((_hot_air_balloon,), 20),
}
