"""comparison.md: a comparison as a page that a code forge shows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from instseg.comparison.tables import (
    AVERAGE_PRECISION,
    COMPARED,
    Content,
    class_rows,
    cost_rows,
    instance_rows,
    mean_rows,
    rule_rows,
    threshold_rows,
)
from instseg.comparison.verdict import not_compared
from instseg.core.wording import count, printable
from instseg.evaluation.semantic import SIGNIFICANT

CURVE = "score_thresholds.png"


def markdown(comparison: Content) -> Iterator[str]:
    """The lines of comparison.md, from what comparison.json holds."""
    pictures: Mapping[str, str] = comparison["pictures"]
    settings, models = comparison["settings"], comparison["models"]
    images = count(len(comparison["per_image"]), "image")
    classes = len(comparison["semantic"]["unet"]["per_class"]) - 1
    answer, *more = comparison["verdict"]
    yield f"# Mask R-CNN beside a U-Net on {images}\n"
    yield f"**{_escaped(answer)}**\n"
    yield f"{_escaped('. '.join(more))}.\n"
    files = [[key, *(m[key] for m in models.values())] for key in ("weights", "architecture")]
    yield from _markdown_table(["", "U-Net", "Mask R-CNN"], [*files, *cost_rows(comparison)])
    truth = settings["coco_json"] or count(settings["scenes"], "drawn scene")
    yield (
        f"Truth: {_escaped(str(truth))}, {count(classes, 'class')} that the dataset and both "
        "models know. Where objects overlap, the smallest is on top in the truth, and the rule for "
        f"Mask R-CNN's instances is {settings['rule']}, for those that score "
        f"{settings['score_threshold']:g} or more. Pixels of crowds are ignored.\n"
    )
    for words, names in not_compared(comparison["left_out"]):
        yield f"- {_escaped(words)} ({_escaped(', '.join(names))})"
    yield ""
    yield (
        "Differences are Mask R-CNN's score less the U-Net's. Intervals hold 95%, over "
        f"{settings['resamples']:,} random halves of the images; a difference is significant if "
        f"chance would give one so large less often than one time in {1 / SIGNIFICANT:.0f}.\n"
    )
    yield "## Scores\n"
    yield from _markdown_table(["", *COMPARED], mean_rows(comparison))
    yield "## IoU of each class\n"
    yield from _markdown_table(["class", "images", *COMPARED], class_rows(comparison))
    yield "## Overlap rule and score threshold\n"
    columns = ["rule", "mIoU", "boundary mIoU", "difference", "95% interval", "significant"]
    yield from _markdown_table(columns, rule_rows(comparison))
    yield f"Differences in mIoU are from the rule {settings['rule']}.\n"
    yield from _markdown_table(
        ["score threshold", *comparison["rules"]], threshold_rows(comparison)
    )
    yield f"![mIoU by score threshold]({CURVE})\n"
    yield "## The other way round: as instances\n"
    yield "Each connected region of the U-Net's semantic map counts as an instance.\n"
    yield from _markdown_table(["", *COMPARED], instance_rows(comparison, AVERAGE_PRECISION))
    if pictures:
        yield "## Pictures\n"
        yield "Images with the mIoU of both on the image alone. White pixels do not count.\n"
    for name, title in pictures.items():
        yield f"### {title}\n\n![{title}]({name})\n"


def _markdown_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|---|{'--:|' * (len(columns) - 1)}"
    for row in rows:
        yield f"| {' | '.join(_escaped(str(cell)) for cell in row)} |"
    yield ""


def _escaped(text: str) -> str:
    """Text that may hold anything, as Markdown shows it."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", printable(text))
