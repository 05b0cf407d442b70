"""A picture of masks as static SVG: their outlines, with a text under the pointer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape

import numpy as np

from instseg.core.colors import Rgb, hex_color, picture_colors
from instseg.core.masks import Masks
from instseg.core.outlines import exact_loops, rounded_loops, simplified_outlines, svg_path

LONGEST_SIDE = 640  # of the picture
MOST_MASKS = 300
TOLERANCE = 0.6  # of the outlines, in pixels of the picture


def outline_picture(
    masks: Masks, names: Sequence[str], texts: Sequence[str], *, photo: str = ""
) -> str:
    """Masks as HTML without a script, small enough for notebooks.

    Args:
        masks: N masks of an image.
        names: The class name of each, which chooses its colour.
        texts: What the pointer shows of each.
        photo: Address of what is behind them, as `data:image/jpeg;base64,...`; by default grey.

    Returns:
        A picture of at most 640 pixels with up to 300 masks, and a legend of the classes.
    """
    height, width = masks.size_hw
    scale = min(1.0, LONGEST_SIDE / max(height, width, 1))
    across, down = max(1, round(width * scale)), max(1, round(height * scale))
    counts = Counter(names[:MOST_MASKS])
    colors = picture_colors([name for name, _ in counts.most_common()])
    drawn = masks[:MOST_MASKS]
    largest_first = np.argsort(-drawn.areas(), kind="stable").tolist()
    outlines = _outlines(drawn, scale)
    paths = [_path(outlines[index], colors[names[index]], texts[index]) for index in largest_first]
    behind = (
        f'<image href="{escape(photo)}" width="{across}" height="{down}"/>'
        if photo
        else f'<rect width="{across}" height="{down}" fill="#dfe3e8"/>'
    )
    label = escape(", ".join(f"{count} {name}" for name, count in counts.most_common()))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{label}" '
        f'width="{across}" height="{down}" viewBox="0 0 {across} {down}" '
        f'style="max-width: 100%; height: auto">{behind}{"".join(paths)}</svg>'
        + _legend(counts, colors, len(masks))
    )


def _outlines(masks: Masks, scale: float) -> list[str]:
    """The outline of each mask in the picture, as `d` of a path."""
    loops = []
    for crop, (y, x) in zip(masks.crops, masks.offsets_yx.tolist(), strict=True):
        loops.append([loop * scale for loop in rounded_loops(exact_loops(crop, (y, x)))])
    return [svg_path(each, digits=1) for each in simplified_outlines(loops, TOLERANCE)]


def _path(path: str, color: Rgb, text: str) -> str:
    shade = hex_color(color)
    return (
        f'<path d="{path}" fill="{shade}" fill-opacity=".4" fill-rule="evenodd" stroke="{shade}" '
        f'stroke-width="1.5"><title>{escape(text)}</title></path>'
    )


def _legend(counts: Counter[str], colors: dict[str, Rgb], total: int) -> str:
    parts = [
        f'<span style="white-space: nowrap"><span style="color: rgb{colors[name]}">&#9632;</span> '
        f"{escape(name)} ({count})</span>"
        for name, count in counts.most_common()
    ]
    if total > MOST_MASKS:
        parts.append(f"the first {MOST_MASKS} of {total:,} are drawn")
    return f"<p>{', '.join(parts)}</p>" if parts else ""
