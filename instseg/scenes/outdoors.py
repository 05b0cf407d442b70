"""How the classes found outdoors are drawn, in the unit coordinates of a `Pen`."""

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
    Points,
    Rng,
    arc,
    box,
    pick,
    random_color,
    rounded,
    shaded,
    symmetric,
)

GLASS: Color = (165, 205, 225)
SKINS: tuple[Color, ...] = ((245, 205, 175), (225, 170, 130), (175, 115, 75), (105, 68, 45))
HAIRS: tuple[Color, ...] = ((35, 25, 20), (90, 55, 25), (205, 165, 85), (150, 70, 35))


def _person(pen: Pen, rng: Rng) -> None:
    skin, hair, top = pick(rng, SKINS), pick(rng, HAIRS), random_color(rng)
    dress = rng.random() < 0.3
    legs = skin if dress else random_color(rng, (0.55, 0.7), (0.1, 0.8), (0.2, 0.6))
    stance = rng.uniform(0.05, 0.13)
    for side in (-1, 1):
        pen.line([(side * 0.055, 0.08), (side * stance, 0.45)], 0.1, legs)
        pen.ellipse(side * (stance + 0.02), 0.465, 0.065, 0.035, BLACK)
        raise_rad, bend_rad = rng.choice([0.3, 0.6, 2.2, 2.7]), rng.uniform(-0.3, 0.6)
        elbow = (side * (0.13 + 0.14 * np.sin(raise_rad)), -0.21 + 0.14 * np.cos(raise_rad))
        reach = raise_rad + bend_rad
        hand = (elbow[0] + side * 0.14 * np.sin(reach), elbow[1] + 0.14 * np.cos(reach))
        pen.line([elbow, hand], 0.075, skin)
        pen.ellipse(*hand, 0.045, 0.045, skin)
        pen.line([(side * 0.12, -0.21), elbow], 0.09, shaded(top, 0.85))
    pen.polygon(rounded(symmetric([(0.17, -0.28), (0.12, 0.13)]), 1), top)
    if dress:
        pen.polygon(symmetric([(0.1, -0.05), (0.2, 0.24)]), top)
    pen.line([(0, -0.31), (0, -0.27)], 0.08, shaded(skin, 0.85))
    pen.ellipse(0, -0.39, 0.105, 0.11, hair)
    pen.ellipse(0, -0.37, 0.083, 0.095, skin)
    pen.polygon(arc(0, -0.4, 0.09, 0.09, 180, 360), hair)
    for x in (-0.03, 0.03):
        pen.ellipse(x, -0.365, 0.013, 0.016, BLACK)
    pen.line(arc(0, -0.345, 0.035, 0.03, 30, 150), 0.014, (150, 50, 50))


CAR_CABINS: tuple[tuple[Points, tuple[Points, ...]], ...] = (
    (  # saloon
        [(-0.3, -0.05), (-0.15, -0.22), (0.17, -0.22), (0.36, -0.05)],
        (
            [(-0.22, -0.06), (-0.13, -0.18), (-0.01, -0.18), (-0.01, -0.06)],
            [(0.03, -0.06), (0.03, -0.18), (0.15, -0.18), (0.27, -0.06)],
        ),
    ),
    (  # hatchback
        [(-0.28, -0.04), (-0.14, -0.25), (0.38, -0.25), (0.49, 0.0)],
        (
            [(-0.2, -0.06), (-0.11, -0.2), (0.07, -0.2), (0.07, -0.06)],
            [(0.12, -0.06), (0.12, -0.2), (0.35, -0.2), (0.41, -0.06)],
        ),
    ),
    (  # beetle
        arc(0.02, 0.0, 0.33, 0.28, 180, 360),
        (
            [(-0.22, -0.05), (-0.13, -0.2), (0.0, -0.23), (0.0, -0.05)],
            [(0.05, -0.05), (0.05, -0.23), (0.17, -0.2), (0.26, -0.05)],
        ),
    ),
)
CAR_BODY: Points = [(-0.51, -0.05), (0.51, -0.09), (0.54, 0.17), (-0.54, 0.17)]


def _car(pen: Pen, rng: Rng) -> None:
    cabin, windows = pick(rng, CAR_CABINS)
    color = random_color(rng, saturation=(0.0, 1.0), value=(0.35, 1.0))
    pen.polygon(cabin, color)
    pen.polygon(rounded(CAR_BODY), color)
    pen.polygon(box(-0.48, 0.08, 0.48, 0.2), shaded(color, 0.75), solid=False)
    for window in windows:
        pen.polygon(window, pick(rng, (GLASS, (60, 75, 90))))
    pen.line([(0.01, -0.05), (0.01, 0.1)], 0.012, shaded(color, 0.6))
    pen.line([(0.06, -0.01), (0.11, -0.01)], 0.02, shaded(color, 0.6))
    pen.ellipse(-0.46, 0.02, 0.035, 0.03, (255, 240, 170))
    pen.polygon(box(0.45, -0.04, 0.49, 0.03), (200, 30, 30))
    radius = rng.uniform(0.095, 0.115)
    for x in (-0.28, 0.29):
        pen.ellipse(x, 0.15, radius, radius, BLACK)
        pen.ellipse(x, 0.15, radius * 0.55, radius * 0.55, (190, 192, 195))
        pen.ellipse(x, 0.15, radius * 0.2, radius * 0.2, STEEL)


def _airplane_aside(pen: Pen, rng: Rng) -> None:
    body = pick(rng, (WHITE, (200, 205, 212), (235, 225, 200)))
    paint = random_color(rng)
    wing = shaded(body, 0.72)
    pen.polygon([(-0.06, -0.05), (0.1, -0.05), (0.25, -0.2), (0.15, -0.2)], shaded(body, 0.6))
    pen.polygon([(0.24, -0.04), (0.4, -0.3), (0.52, -0.3), (0.48, 0.0)], paint)
    hull = [(-0.56, 0.04), (-0.45, -0.09), (0.3, -0.09), (0.56, -0.08), (0.2, 0.11), (-0.46, 0.1)]
    pen.polygon(rounded(hull), body)
    if rng.random() < 0.5:
        pen.polygon([(-0.52, 0.04), (0.5, -0.01), (0.2, 0.2), (-0.5, 0.2)], paint, solid=False)
    pen.polygon([(-0.47, -0.02), (-0.42, -0.06), (-0.36, -0.06), (-0.36, -0.02)], BLACK)
    for x in np.arange(-0.28, 0.3, 0.075):
        pen.ellipse(x, -0.035, 0.019, 0.022, (50, 80, 120), solid=False)
    pen.polygon([(0.34, -0.04), (0.46, -0.05), (0.56, 0.06), (0.46, 0.06)], wing)
    pen.polygon([(-0.12, 0.03), (0.1, 0.03), (0.3, 0.28), (0.17, 0.28)], wing)
    pen.polygon(box(-0.08, 0.1, 0.1, 0.2, 0.04), paint)


def _airplane_from_above(pen: Pen, rng: Rng) -> None:
    body = pick(rng, (WHITE, (190, 198, 208), random_color(rng, value=(0.7, 1.0))))
    paint = random_color(rng)
    wing = shaded(body, 0.8)
    sweep = rng.uniform(0.05, 0.2)
    pen.polygon(symmetric([(0, -0.16), (0.5, sweep), (0.5, sweep + 0.1), (0, 0.1)]), wing)
    pen.polygon(symmetric([(0, 0.3), (0.2, 0.42), (0.2, 0.5), (0, 0.46)]), wing)
    for x in (-0.22, 0.22):
        pen.polygon(box(x - 0.045, -0.13, x + 0.045, 0.06, 0.035), paint)
    for tip in (-1, 1):
        pen.polygon(
            [(tip * 0.42, -0.1), (tip * 0.6, -0.1), (tip * 0.6, 0.5), (tip * 0.42, 0.5)],
            paint,
            solid=False,
        )
    pen.polygon(rounded(symmetric([(0.06, -0.54), (0.09, -0.3), (0.09, 0.2), (0.02, 0.54)])), body)
    pen.polygon(symmetric([(0.03, -0.42), (0.06, -0.37)]), BLACK, solid=False)
    pen.line([(0, 0.3), (0, 0.48)], 0.05, paint)


def _sailboat(pen: Pen, rng: Rng) -> None:
    sail = pick(rng, (WHITE, random_color(rng, value=(0.75, 1.0))))
    hull = random_color(rng, saturation=(0.2, 1.0))
    pen.line([(0, -0.46), (0, 0.3)], 0.05, BROWN)
    pen.polygon([(0.035, -0.46), (0.035, 0.2), (0.42, 0.2)], sail)
    pen.polygon([(-0.035, -0.38), (-0.035, 0.2), (-0.36, 0.2)], shaded(sail, 0.82))
    if rng.random() < 0.6:
        pen.polygon([(0.035, -0.1), (0.2, -0.1), (0.28, 0.03), (0.035, 0.03)], hull)
    pen.polygon(rounded([(-0.5, 0.25), (0.5, 0.25), (0.34, 0.5), (-0.32, 0.5)], 1), hull)
    pen.polygon(box(-0.5, 0.31, 0.5, 0.35), WHITE, solid=False)


def _motorboat(pen: Pen, rng: Rng) -> None:
    hull, cabin = random_color(rng, saturation=(0.3, 1.0)), pick(rng, (WHITE, (225, 215, 190)))
    funnel = rng.uniform(-0.05, 0.1)
    pen.polygon(box(funnel, -0.36, funnel + 0.12, -0.1), random_color(rng))
    pen.polygon(box(funnel, -0.32, funnel + 0.12, -0.27), WHITE)
    pen.polygon([(-0.24, -0.16), (0.22, -0.16), (0.26, 0.06), (-0.3, 0.06)], cabin)
    for x in (-0.2, -0.06, 0.08):
        pen.polygon(box(x, -0.11, x + 0.1, -0.02), (70, 110, 140))
    pen.polygon([(-0.54, -0.02), (-0.3, 0.04), (0.48, 0.03), (0.42, 0.28), (-0.34, 0.28)], hull)
    pen.polygon(box(-0.6, 0.19, 0.6, 0.3), shaded(hull, 0.55), solid=False)
    pen.line([(-0.5, 0.03), (-0.3, 0.085), (0.46, 0.075)], 0.03, WHITE, solid=False)
    for x in (-0.24, -0.08, 0.08, 0.24):
        pen.ellipse(x, 0.135, 0.028, 0.028, WHITE)


LAMPS: tuple[Color, ...] = ((255, 50, 40), (255, 205, 40), (50, 235, 110))


def _traffic_light(pen: Pen, rng: Rng) -> None:
    case = pick(rng, ((40, 44, 46), (235, 180, 40), (45, 80, 60)))
    pole = rng.random() < 0.4
    unit = 0.76 if pole else 1.0
    centre = -0.12 if pole else 0.0
    if pole:
        pen.line([(0, 0.2), (0, 0.46)], 0.09, STEEL)
    half = 0.19 * unit
    pen.polygon(box(-half, centre - 0.5 * unit, half, centre + 0.5 * unit, 0.08), case)
    lit = int(rng.integers(3))
    for i, lamp in enumerate(LAMPS):
        y = centre + (i - 1) * 0.3 * unit
        pen.ellipse(0, y - 0.012, 0.15 * unit, 0.148 * unit, shaded(case, 0.45))
        pen.ellipse(0, y, 0.125 * unit, 0.125 * unit, lamp if i == lit else shaded(lamp, 0.35))
        if i == lit:
            pen.ellipse(0, y, 0.07 * unit, 0.07 * unit, (255, 255, 235, 130), solid=False)


LETTERS: tuple[Points, ...] = (  # S T O P in cells of 1 x 2
    [(0.8, -0.85), (0.2, -0.95), (0.1, -0.4), (0.85, 0.3), (0.8, 0.95), (0.1, 0.85)],
    [(0.0, -0.95), (1.0, -0.95), (0.5, -0.95), (0.5, 1.0)],
    [(0.1, -0.8), (0.9, -0.8), (0.9, 0.85), (0.1, 0.85), (0.1, -0.8)],
    [(0.1, 1.0), (0.1, -0.9), (0.85, -0.9), (0.85, 0.05), (0.1, 0.05)],
)


def _stop_sign(pen: Pen, rng: Rng) -> None:
    pole = rng.random() < 0.45
    radius, y = (0.36, -0.16) if pole else (0.53, 0.0)
    if pole:
        pen.line([(0, 0.1), (0, 0.46)], 0.09, pick(rng, (STEEL, (190, 190, 185), BROWN)))
    corners = np.radians(np.arange(22.5, 360, 45))
    octagon = np.stack([np.cos(corners), np.sin(corners)], axis=1)
    red = random_color(rng, (-0.03, 0.01), (0.8, 1), (0.6, 0.9))
    for share, color in ((1.0, WHITE), (0.9, red)):
        pen.polygon(octagon * radius * share + (0, y), color)
    for i, letter in enumerate(LETTERS):
        cell = np.asarray(letter) * (0.29, 0.25) + ((i - 2) * 0.39 + 0.05, 0)
        pen.line(cell * radius + (0, y), 0.1 * radius, WHITE, solid=False)


def _umbrella(pen: Pen, rng: Rng) -> None:
    stick = pick(rng, (BROWN, (60, 60, 65), (200, 170, 120)))
    first, panels = random_color(rng), int(rng.integers(4, 8))
    second = pick(rng, (WHITE, shaded(first, 0.7), random_color(rng), first))
    height = rng.uniform(0.36, 0.5)
    pen.line([(0, -height - 0.04), (0, 0.38)], 0.05, stick)
    if rng.random() < 0.8:
        pen.line(arc(0.075, 0.38, 0.075, 0.085, 180, 0), 0.06, stick)
    edges = np.sin(np.linspace(-np.pi / 2, np.pi / 2, panels + 1)) * 0.5
    for i, (left, right) in enumerate(pairwise(edges.tolist())):
        scallop = arc((left + right) / 2, 0, (right - left) / 2, 0.07, 180, 360)
        outline = [arc(0, 0, left, height, -90, 0), scallop, arc(0, 0, right, height, 0, -90)]
        color = second if i % 2 else first
        pen.polygon(np.concatenate(outline), shaded(color, 1.08 - 0.3 * i / panels))


def _soccer_ball(pen: Pen, rng: Rng) -> None:
    patch = pick(rng, (BLACK, BLACK, random_color(rng, value=(0.3, 0.6))))
    pen.ellipse(0, 0, 0.5, 0.5, WHITE)
    turn = np.radians(np.arange(-90, 270, 72))
    spokes = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    for out in spokes:
        pen.line([out * 0.15, out * 0.4], 0.03, (110, 110, 110), solid=False)
        side = np.array([-out[1], out[0]]) * 0.17
        corners = [out * 0.33, out * 0.43 + side, out * 0.7, out * 0.43 - side]
        pen.polygon(corners, patch, solid=False)
    pen.polygon(0.18 * spokes, patch, solid=False)
    pen.volume(0, 0, 0.5, 0.5)


def _basketball(pen: Pen, rng: Rng) -> None:
    pen.ellipse(0, 0, 0.5, 0.5, random_color(rng, (0.05, 0.08), (0.75, 0.95), (0.75, 0.95)))
    for seam in (
        arc(-0.62, 0, 0.42, 0.55),
        arc(0.62, 0, 0.42, 0.55),
        [(0, -0.5), (0, 0.5)],
        [(-0.5, 0), (0.5, 0)],
    ):
        pen.line(seam, 0.035, (50, 28, 20), solid=False)
    pen.volume(0, 0, 0.5, 0.5)


def _tennis_ball(pen: Pen, rng: Rng) -> None:
    pen.ellipse(0, 0, 0.5, 0.5, random_color(rng, (0.17, 0.2), (0.65, 0.85), (0.85, 0.95)))
    for x in (-0.6, 0.6):
        pen.line(arc(x, 0, 0.42, 0.45), 0.06, WHITE, solid=False)
    pen.volume(0, 0, 0.5, 0.5, 0.8)


def _beach_ball(pen: Pen, rng: Rng) -> None:
    colors = (
        (random_color(rng), WHITE) * 3
        if rng.random() < 0.4
        else tuple(WHITE if i % 2 else random_color(rng) for i in range(6))
    )
    pen.ellipse(0, 0, 0.5, 0.5, WHITE)
    for i, color in enumerate(colors):
        wedge = np.asarray(arc(0, 0, 0.52, 0.52, 60 * i, 60 * i + 60))
        pen.polygon(np.concatenate([[(-0.1, -0.12)], wedge]), color, solid=False)
    pen.ellipse(-0.1, -0.12, 0.07, 0.07, WHITE, solid=False)
    pen.volume(0, 0, 0.5, 0.5)


def _diamond_kite(pen: Pen, rng: Rng) -> None:
    first, second, tail = random_color(rng), random_color(rng), random_color(rng)
    wide, low = rng.uniform(0.27, 0.36), rng.uniform(0.16, 0.24)
    sway = rng.uniform(-0.1, 0.1)
    pen.line([(0, low), (0.07 + sway, 0.32), (sway - 0.05, 0.4), (sway, 0.5)], 0.05, tail)
    for x, y in ((0.06 + sway, 0.32), (sway - 0.03, 0.43)):
        pen.polygon(
            [
                (x - 0.09, y - 0.05),
                (x + 0.09, y + 0.05),
                (x + 0.09, y - 0.05),
                (x - 0.09, y + 0.05),
            ],
            tail,
        )
    top, left, right, bottom, cross = (0, -0.5), (-wide, -0.2), (wide, -0.2), (0, low), (0, -0.2)
    for corner_a, corner_b, color in (
        (top, left, first),
        (top, right, second),
        (bottom, right, first),
        (bottom, left, second),
    ):
        pen.polygon([corner_a, corner_b, cross], color)
    pen.line([top, bottom], 0.025, BLACK, solid=False)
    pen.line([left, right], 0.025, BLACK, solid=False)


def _delta_kite(pen: Pen, rng: Rng) -> None:
    first, second, third = random_color(rng), random_color(rng), random_color(rng)
    for x in (-0.12, 0.12):
        pen.line([(x * 0.5, 0.05), (x, 0.25), (x * 0.7, 0.42)], 0.065, third)
    pen.polygon(symmetric([(0, -0.34), (0.52, 0.1), (0.26, 0.06), (0, 0.16)]), first)
    pen.polygon(symmetric([(0, -0.2), (0.34, 0.09), (0, 0.09)]), second, solid=False)
    pen.polygon(symmetric([(0, -0.34), (0.1, -0.22), (0, 0.2)]), third, solid=False)
    pen.line([(0, -0.34), (0, 0.16)], 0.025, BLACK, solid=False)


BALLS = (_soccer_ball, _soccer_ball, _basketball, _tennis_ball, _beach_ball)

OUTDOORS: dict[str, Drawing] = {
    "person": Drawing((_person,), 10),
    "car": Drawing((_car,), 10),
    "airplane": Drawing((_airplane_aside, _airplane_from_above), 25),
    "boat": Drawing((_sailboat, _motorboat), 10),
    "traffic light": Drawing((_traffic_light,), 8),
    "stop sign": Drawing((_stop_sign,), 12, mirrors=False),
    "umbrella": Drawing((_umbrella,), 25),
    "sports ball": Drawing(BALLS),
    "kite": Drawing((_diamond_kite, _delta_kite), 25),
}
