"""How the classes found on a table or a wall are drawn, in the unit coordinates of a `Pen`."""

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


def _bottle(pen: Pen, rng: Rng) -> None:
    glass = pick(
        rng,
        (
            random_color(rng, (0.25, 0.42), (0.5, 0.9), (0.25, 0.6)),
            (110, 60, 25),
            (150, 205, 225),
            random_color(rng, value=(0.6, 1.0)),
        ),
    )
    neck, body = rng.uniform(0.055, 0.075), rng.uniform(0.13, 0.19)
    shoulder = rng.uniform(-0.2, -0.05)
    slope = [(neck, shoulder - 0.13), (body, shoulder + 0.03)]
    pen.polygon(symmetric([(neck, -0.48), *slope, (body, 0.48)]), glass)
    pen.polygon(rounded(symmetric([(body, shoulder), (body, 0.5)]), 1), glass)
    pen.polygon(box(body * 0.45, shoulder - 0.1, 0.5, 0.5), (0, 0, 0, 45), solid=False)
    ink, label = random_color(rng), pick(rng, (WHITE, random_color(rng), (235, 215, 160)))
    top, bottom = shoulder + rng.uniform(0.1, 0.16), rng.uniform(0.28, 0.4)
    pen.polygon(box(-body, top, body, bottom), label, solid=False)
    pen.polygon(box(-body * 0.6, top + 0.07, body * 0.6, top + 0.12), ink, solid=False)
    gleam = box(-body * 0.72, shoulder + 0.06, -body * 0.52, 0.42)
    pen.polygon(gleam, (255, 255, 255, 110), solid=False)
    cap = pick(rng, (random_color(rng), (190, 150, 60), WHITE))
    pen.polygon(box(-neck - 0.015, -0.5, neck + 0.015, -0.41), cap)


def _mug(pen: Pen, rng: Rng) -> None:
    color, paint = random_color(rng, saturation=(0.0, 0.95), value=(0.6, 1.0)), random_color(rng)
    foot = rng.uniform(0.2, 0.32)
    pen.ellipse(0.24, 0.02, 0.24, 0.24, shaded(color, 0.85))
    pen.hole(arc(0.25, 0.02, 0.13, 0.13))
    body = np.array([(0.31, -0.32), (0.31 * 0.5 + foot * 0.5 + 0.03, 0.15), (foot, 0.4)])
    pen.polygon(np.asarray(symmetric(body)) - (0.1, 0), color)
    pen.ellipse(-0.1, 0.4, foot, 0.05, color)
    if rng.random() < 0.5:
        pen.polygon(box(-0.28, -0.08, 0.08, 0.2, 0.08), paint)
    pen.polygon(box(0.06, -0.3, 0.2, 0.36), (0, 0, 0, 35), solid=False)
    pen.ellipse(-0.1, -0.32, 0.31, 0.09, shaded(color, 1.12))
    pen.ellipse(-0.1, -0.315, 0.26, 0.065, pick(rng, ((70, 40, 20), (185, 120, 60), BLACK)))


def _paper_cup(pen: Pen, rng: Rng) -> None:
    paper, sleeve = (
        pick(rng, (WHITE, random_color(rng))),
        pick(rng, ((185, 140, 90), random_color(rng))),
    )
    pen.polygon(symmetric([(0.3, -0.36), (0.2, 0.46)]), paper)
    pen.ellipse(0, 0.46, 0.2, 0.04, paper)
    pen.polygon(symmetric([(0.275, -0.16), (0.225, 0.26)]), sleeve)
    pen.ellipse(0, 0.05, 0.1, 0.1, shaded(sleeve, 1.3), solid=False)
    lid = pick(rng, (BLACK, WHITE, (100, 65, 40)))
    pen.polygon(rounded(symmetric([(0.26, -0.5), (0.29, -0.38)]), 1), lid)
    pen.polygon(box(-0.34, -0.42, 0.34, -0.33, 0.03), shaded(lid, 0.9))
    pen.polygon(box(0.12, -0.33, 0.4, 0.5), (0, 0, 0, 30), solid=False)


def _bananas(pen: Pen, rng: Rng) -> None:
    color = random_color(rng, (0.13, 0.16), (0.7, 0.95), (0.85, 1.0))
    depths = ((0.62, 0.22),) if rng.random() < 0.65 else ((0.38, 0.1), (0.6, 0.28), (0.8, 0.48))
    lift = -0.5 * depths[-1][0]
    for outer, inner in depths:
        outside = np.asarray(arc(0, lift, 0.5, outer, 8, 172))
        inside = np.asarray(arc(0, lift, 0.46, inner, 172, 8))
        middle = (outside + inside[::-1]) / 2
        pen.polygon(np.concatenate([outside, inside]), color)
        pen.polygon(np.concatenate([outside, middle[::-1]]), shaded(color, 0.85), solid=False)
        pen.line(middle[2:-2], 0.018, shaded(color, 0.7), solid=False)
        pen.ellipse(outside[0, 0], outside[0, 1], 0.05, 0.05, BROWN)
    pen.line([(-0.44, lift + 0.08), (-0.49, lift - 0.06)], 0.085, (120, 105, 40))


APPLE: Points = rounded(
    symmetric([(0.0, -0.3), (0.2, -0.43), (0.5, -0.38), (0.52, 0.08), (0.34, 0.5), (0.1, 0.49)]), 3
)
APPLE_HUES = (((-0.03, 0.02), (0.65, 0.9)), ((0.2, 0.28), (0.6, 0.8)), ((0.11, 0.14), (0.8, 0.95)))


def _apple(pen: Pen, rng: Rng) -> None:
    hue, value = pick(rng, APPLE_HUES)
    color = random_color(rng, hue, (0.7, 0.95), value)
    pen.polygon(APPLE, shaded(color, 0.78))
    pen.polygon(np.asarray(APPLE) * 0.88 - (0.05, 0.03), color, solid=False)
    pen.ellipse(0, -0.3, 0.13, 0.045, shaded(color, 0.5), solid=False)
    pen.ellipse(-0.22, -0.15, 0.08, 0.1, (255, 255, 255, 110), solid=False)
    if rng.random() < 0.2:
        pen.ellipse(0.44, 0.02, 0.2, 0.2, (250, 240, 200), solid=False)
        pen.hole(arc(0.5, 0.02, 0.17, 0.17))
    pen.line([(0, -0.29), (rng.uniform(-0.06, 0.06), -0.47)], 0.065, BROWN)
    if rng.random() < 0.75:
        leaf = rounded([(0.02, -0.36), (0.12, -0.5), (0.36, -0.5), (0.2, -0.34)])
        pen.polygon(leaf, random_color(rng, (0.27, 0.36), (0.6, 0.9), (0.4, 0.7)))


def _toppings(pen: Pen, rng: Rng, spots: Points) -> None:
    meat = pick(rng, ((190, 45, 35), (170, 60, 45)))
    for i, (x, y) in enumerate(np.asarray(spots).tolist()):
        if i % 3 < 2:
            pen.ellipse(x, y, 0.075, 0.075, shaded(meat, 0.8), solid=False)
            pen.ellipse(x, y, 0.06, 0.06, meat, solid=False)
        else:
            green = random_color(rng, (0.28, 0.36), (0.6, 0.9), (0.35, 0.6))
            pen.ellipse(x, y, rng.uniform(0.03, 0.07), 0.04, green, solid=False)


def _pizza(pen: Pen, rng: Rng) -> None:
    crust = random_color(rng, (0.07, 0.1), (0.6, 0.75), (0.65, 0.85))
    pen.ellipse(0, 0, 0.5, 0.5, crust)
    pen.ellipse(0, 0, 0.43, 0.43, (190, 70, 35))
    pen.ellipse(0, 0, 0.405, 0.405, random_color(rng, (0.11, 0.14), (0.55, 0.75), (0.9, 1.0)))
    angles = np.linspace(0, 4 * np.pi, 13)[:12] + rng.uniform(-0.2, 0.2, 12)
    radii = np.repeat([0.3, 0.14], (8, 4)) + rng.uniform(-0.03, 0.03, 12)
    angles[:8] = np.arange(8) * np.pi / 4 + rng.uniform(-0.2, 0.2, 8)
    _toppings(pen, rng, np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1))
    if rng.random() < 0.6:
        for turn in np.radians((0, 45, 90, 135)):
            rim = np.array([(np.cos(turn), np.sin(turn))]) * 0.5
            pen.line(np.concatenate([rim, -rim]), 0.014, shaded(crust, 0.7), solid=False)
    if rng.random() < 0.35:
        pen.hole(np.concatenate([[(0, 0)], np.asarray(arc(0, 0, 0.55, 0.55, 0, 45))]))


def _pizza_slice(pen: Pen, rng: Rng) -> None:
    crust = random_color(rng, (0.07, 0.1), (0.6, 0.75), (0.65, 0.85))
    wide = rng.uniform(0.3, 0.4)
    pen.polygon([(-wide, -0.34), (wide, -0.34), (0, 0.5)], (190, 70, 35))
    pen.polygon(
        [(0.05 - wide, -0.34), (wide - 0.05, -0.34), (0, 0.42)],
        random_color(rng, (0.11, 0.14), (0.55, 0.75), (0.9, 1.0)),
    )
    _toppings(pen, rng, [(-0.13, -0.2), (0.12, -0.13), (0.02, -0.24), (-0.02, 0.08)])
    pen.line(arc(0, -0.32, wide, 0.1, 180, 360), 0.12, crust)


def _donut(pen: Pen, rng: Rng) -> None:
    dough = random_color(rng, (0.08, 0.1), (0.5, 0.65), (0.75, 0.9))
    icing = pick(rng, ((240, 140, 180), (95, 55, 35), WHITE, random_color(rng, value=(0.8, 1.0))))
    flat = rng.uniform(0.72, 1.0)
    pen.ellipse(0, 0, 0.5, 0.5 * flat, dough)
    turn = np.linspace(0, 2 * np.pi, 48)
    wave = 0.43 + 0.025 * np.sin(turn * int(rng.integers(6, 10)))
    pen.polygon(np.stack([wave * np.cos(turn), wave * np.sin(turn) * flat], axis=1), icing)
    if rng.random() < 0.7:
        for angle, radius in rng.uniform((0, 0.25), (2 * np.pi, 0.38), (18, 2)):
            x, y = radius * np.cos(angle), radius * np.sin(angle) * flat
            dx, dy = rng.uniform(-0.03, 0.03, 2)
            pen.line([(x - dx, y - dy), (x + dx, y + dy)], 0.028, random_color(rng), solid=False)
    pen.volume(0, 0, 0.5, 0.5 * flat)
    pen.ellipse(0, 0, 0.2, 0.2 * flat, shaded(icing, 0.7), solid=False)
    pen.ellipse(0, 0.015, 0.185, 0.18 * flat, shaded(dough, 0.8), solid=False)
    pen.hole(arc(0, 0.0, 0.14, 0.14 * flat))


def _clock_face(pen: Pen, rng: Rng, y: float, radius: float, face: Color) -> None:
    ink = BLACK if sum(face) > 380 else WHITE
    for hour in range(12):
        out = np.array([np.cos(hour * np.pi / 6), np.sin(hour * np.pi / 6)]) * radius
        pen.line([out * 0.78 + (0, y), out * 0.93 + (0, y)], 0.04 if hour % 3 == 0 else 0.02, ink)
    for length, width in ((0.5, 0.06), (0.76, 0.04)):
        turn = rng.uniform(0, 2 * np.pi)
        tip = (length * radius * np.cos(turn), y + length * radius * np.sin(turn))
        pen.line([(0, y), tip], width, ink)
    pen.ellipse(0, y, 0.04, 0.04, pick(rng, (ink, (200, 30, 30))))


def _wall_clock(pen: Pen, rng: Rng) -> None:
    frame = random_color(rng, saturation=(0.0, 0.9), value=(0.15, 0.9))
    face = pick(rng, (WHITE, WHITE, (240, 225, 190), (40, 45, 55)))
    if rng.random() < 0.3:
        pen.polygon(box(-0.48, -0.48, 0.48, 0.48, 0.1), frame)
    else:
        pen.ellipse(0, 0, 0.5, 0.5, frame)
    pen.ellipse(0, 0, 0.41, 0.41, face)
    _clock_face(pen, rng, 0, 0.41, face)


def _alarm_clock(pen: Pen, rng: Rng) -> None:
    frame = random_color(rng, saturation=(0.3, 1.0))
    for side in (-1, 1):
        pen.line([(side * 0.2, 0.3), (side * 0.3, 0.45)], 0.09, shaded(frame, 0.6))
        pen.ellipse(side * 0.24, -0.35, 0.17, 0.13, shaded(frame, 0.75))
    pen.line([(0, -0.3), (0, -0.44)], 0.08, STEEL)
    pen.ellipse(0, 0.05, 0.41, 0.41, frame)
    pen.ellipse(0, 0.05, 0.33, 0.33, WHITE)
    _clock_face(pen, rng, 0.05, 0.33, WHITE)


INDOORS: dict[str, Drawing] = {
    "bottle": Drawing((_bottle,), 25),
    "cup": Drawing((_mug, _paper_cup), 15),
    "banana": Drawing((_bananas,)),
    "apple": Drawing((_apple,)),
    "pizza": Drawing((_pizza, _pizza, _pizza_slice)),
    "donut": Drawing((_donut,)),
    "clock": Drawing((_wall_clock, _alarm_clock), 15),
}
