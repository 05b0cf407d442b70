"""Painted backgrounds: landscapes, walls, tables and cloths with nothing on them."""

import numpy as np
from PIL import Image, ImageDraw

from instseg.scenes.pen import Color, random_color, shaded

Rng = np.random.Generator
Size = tuple[int, int]  # width, height, as Pillow has it

SMOOTH = Image.Resampling.BICUBIC


def _blend(size: Size, colors: np.ndarray) -> Image.Image:
    """Colours (rows, columns, 3) 0..255 blurred into one another over the whole picture."""
    return Image.fromarray(colors.clip(0, 255).astype(np.uint8)).resize(size, SMOOTH)


def landscape(rng: Rng, size: Size) -> Image.Image:
    """A sky with clouds over a ground with hills or a horizon."""
    width, height = size
    sky = np.array(random_color(rng, (0.5, 0.66), (0.1, 0.7), (0.5, 1.0)))
    haze = sky + (255 - sky) * rng.uniform(0.3, 0.8)
    rows = sky + np.linspace(0, 1, 8)[:, None] * (haze - sky)
    clouds = np.zeros((8, 10, 1))
    clouds[1:6] = np.maximum(0, rng.normal(-30, 45, (5, 10, 1)))
    picture = _blend(size, rows[:, None] + clouds)
    ground = random_color(rng, (0.05, 0.6), (0.1, 0.6), (0.25, 0.8))
    horizon = rng.uniform(0.4, 0.9) * height
    draw = ImageDraw.Draw(picture)
    for tone in (1.25, 1.0):
        ridge = horizon + np.cumsum(rng.normal(0, 0.02 * height, 8))
        xs = np.linspace(0, width, 8)
        hill = [*zip(xs.tolist(), ridge.tolist(), strict=True), (width, height), (0, height)]
        draw.polygon(hill, fill=shaded(ground, tone))
        horizon += 0.06 * height
    return picture


def wall(rng: Rng, size: Size) -> Image.Image:
    """A plain surface in uneven light."""
    color = np.array(random_color(rng, saturation=(0.0, 0.6), value=(0.15, 1.0)))
    return _blend(size, color + rng.normal(0, 14, (3, 3, 1)) + rng.normal(0, 4, (3, 3, 3)))


def blobs(rng: Rng, size: Size) -> Image.Image:
    """Colours out of focus."""
    cells = int(rng.integers(4, 12))
    base = np.array(random_color(rng, saturation=(0.0, 0.8), value=(0.2, 0.9)))
    return _blend(size, base + rng.normal(0, rng.uniform(10, 50), (cells, cells, 3)))


def grain(rng: Rng, size: Size) -> Image.Image:
    """Rough ground: sand, grass, gravel or, with stretched grains, wood."""
    width, height = size
    fine, coarse = rng.uniform(1.5, 6), rng.uniform(1, 12)
    shape = (max(2, int(height / fine)), max(2, int(width / (fine * coarse))), 1)
    color = np.array(random_color(rng, (0.03, 0.4), (0.1, 0.7), (0.2, 0.9)))
    texture = color + rng.normal(0, rng.uniform(5, 22), shape).astype(np.float32)
    picture = _blend(size, texture)
    if coarse > 5:
        draw = ImageDraw.Draw(picture)
        for y in np.arange(rng.uniform(0, 60), height, height * rng.uniform(0.1, 0.3)).tolist():
            draw.line((0, y, width, y), fill=tuple((color * 0.5).astype(int).tolist()), width=2)
    return picture


def bricks(rng: Rng, size: Size) -> Image.Image:
    """A wall of bricks, or tiles with joints."""
    width, height = size
    color = random_color(rng, (-0.02, 0.15), (0.0, 0.7), (0.3, 0.95))
    picture = Image.new("RGB", size, shaded(color, rng.choice([0.6, 1.4])))
    draw = ImageDraw.Draw(picture)
    step_y = height / rng.uniform(5, 14)
    step_x = step_y * rng.choice([1.0, 2.0, 2.6])
    offset = rng.choice([0.0, 0.5])
    joint = max(1.0, 0.06 * step_y)
    rows, columns = int(height / step_y) + 1, int(width / step_x) + 2
    tones = rng.uniform(0.88, 1.1, (rows, columns)).tolist()
    for row, y in enumerate((np.arange(rows) * step_y).tolist()):
        for column, tone in enumerate(tones[row]):
            x = (column - (row % 2) * offset) * step_x
            box = (x, y, x + step_x - joint, y + step_y - joint)
            draw.rectangle(box, fill=shaded(color, tone))
    return picture


def stripes(rng: Rng, size: Size) -> Image.Image:
    """Wallpaper or a cloth: stripes in one direction, or a gingham in two."""
    width, height = size
    value = rng.uniform(0.4, 1.0)
    base = random_color(rng, saturation=(0.0, 0.5), value=(value - 0.1, value))
    band: Color = (*random_color(rng, saturation=(0.0, 0.8)), int(rng.integers(60, 150)))
    picture = Image.new("RGB", size, base)
    draw = ImageDraw.Draw(picture, "RGBA")
    step = min(size) / rng.uniform(4, 16)
    crossed = rng.random() < 0.5
    slant = 0.0 if crossed else rng.uniform(-0.6, 0.6) * height
    for x in np.arange(-abs(slant), width + abs(slant), step).tolist():
        foot = x + slant
        corners = [(x, 0), (x + step / 2, 0), (foot + step / 2, height), (foot, height)]
        draw.polygon(corners, band)
    if crossed:
        for y in np.arange(0, height, step).tolist():
            draw.rectangle((0, y, width, y + step / 2), band)
    return picture


def checkers(rng: Rng, size: Size) -> Image.Image:
    """A floor of two-coloured tiles."""
    width, height = size
    rows = int(rng.integers(4, 14))
    columns = max(2, round(rows * width / height))
    first = np.array(random_color(rng, saturation=(0.0, 0.7), value=(0.3, 1.0)))
    second = first + rng.uniform(-60, 60)
    even = np.indices((rows, columns)).sum(axis=0)[..., None] % 2
    tiles = np.where(even, first, second).clip(0, 255).astype(np.uint8)
    return Image.fromarray(tiles).resize(size, Image.Resampling.NEAREST)


PAINTERS = (landscape, landscape, wall, blobs, grain, grain, bricks, stripes, checkers)


def paint_background(rng: Rng, size_hw: tuple[int, int]) -> Image.Image:
    """One background, RGB, of any of the kinds."""
    painter = PAINTERS[int(rng.integers(len(PAINTERS)))]
    return painter(rng, (size_hw[1], size_hw[0]))
