"""The report of a comparison: an HTML page with the verdict, scores, costs and photos."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from instseg.comparison.compared_models import ComparedModels
from instseg.comparison.report_photos import compared_photos
from instseg.comparison.tables import (
    AVERAGE_PRECISION,
    COMPARED,
    Content,
    class_rows,
    cost_rows,
    instance_rows,
    mean_rows,
    rule_rows,
)
from instseg.comparison.verdict import not_compared, shown_name
from instseg.core.events import OnEvent, ignore
from instseg.core.wording import count, interval, number, printable
from instseg.report import components as parts
from instseg.report.page import write_page

REPORT = "report.html"
BARS = 40  # classes

Cell = str | int | float | parts.Written | None


def write_report(
    path: Path, content: Content, models: ComparedModels, on_event: OnEvent = ignore
) -> None:
    """Write the report of a comparison as an HTML file.

    Args:
        path: The file.
        content: What comparison.json holds.
        models: The models and data, for the photos.
        on_event: Called with progress.
    """
    write_page(path, comparison_page(content, models, on_event))


def comparison_page(
    content: Content, models: ComparedModels, on_event: OnEvent = ignore
) -> parts.Page:
    """The report of a comparison; its photos are predicted again when they are needed."""
    sections = [_verdict(content), _classes(content), _instances(content), _costs(content)]
    sections.append(_choices(content))
    if any(each["unet"] is not None for each in content["per_image"]):
        gallery = parts.Gallery(
            photos=compared_photos(models, content["per_image"], on_event),
            class_names=models.names,
            category_ids=_category_ids(models),
            sort="-difference",
        )
        words = (
            "The images on which the models differ most and least, and the best and worst for both "
            "together. Each region is all that a model, or the truth, has of a class; its IoU is "
            "that of the class on the image."
        )
        shown: list[parts.Component] = [parts.Prose(paragraphs=[words]), gallery]
        sections.append(parts.Section(title="Photos", components=shown))
    return parts.Page(
        title="Mask R-CNN beside a U-Net",
        subtitle=count(len(content["per_image"]), "image"),
        sections=sections,
        details=_details(content),
    )


def _verdict(content: Content) -> parts.Section:
    """The answer, and the numbers that it rests on."""
    semantic = content["semantic"]
    difference = semantic["difference"]["scores"]["mIoU"]
    numbers = [
        parts.Number(
            label=f"mIoU of {name}",
            value=number(semantic[side]["scores"]["mIoU"]),
            detail=_sure(semantic[side]["intervals"]["mIoU"]),
        )
        for side, name in (("mask_rcnn", "Mask R-CNN"), ("unet", "the U-Net"))
    ]
    numbers.append(
        parts.Number(
            label="difference",
            value=number(difference["difference"], "+"),
            detail=_sure(difference["interval"], "+"),
        )
    )
    answer, *more = content["verdict"]
    left_out = [
        f"{words} ({', '.join(names)})" for words, names in not_compared(content["left_out"])
    ]
    sentences = [f"{answer}.", *(f"{each}." for each in more), *left_out]
    return parts.Section(
        title="Verdict",
        components=[
            parts.Numbers(numbers=numbers),
            parts.Prose(paragraphs=[printable(each) for each in sentences]),
            _table(["metric", *COMPARED], mean_rows(content)),
        ],
    )


def _classes(content: Content) -> parts.Section:
    """The IoU of each class by both models, the best class for Mask R-CNN first."""
    rows = class_rows(content)
    half = BARS // 2
    shown = {row[0] for row in (rows if len(rows) <= BARS else [*rows[:half], *rows[-half:]])}
    order = [row[0] for row in rows if row[0] in shown]
    sides = [
        {shown_name(row): row for row in content["semantic"][side]["per_class"]}
        for side in ("mask_rcnn", "unet")
    ]
    title = "IoU of each class"
    if len(rows) > BARS:
        title += f": the {half} best and the {half} worst for Mask R-CNN of {len(rows)}"
    bars = []
    for name in order:
        row = sides[0][name]
        held = row["IoU_low"] is not None
        limits = (row["IoU_low"], row["IoU_high"]) if held else None
        bars.append(parts.Bar(label=name, value=row["IoU"], interval=limits))
    return parts.Section(
        title="Classes",
        components=[
            parts.Bars(
                title=title,
                bars=bars,
                most=1.0,
                other={name: sides[1][name]["IoU"] for name in order},
                names=("Mask R-CNN", "U-Net"),
            ),
            _table(["class", "images", *COMPARED], rows),
        ],
    )


def _instances(content: Content) -> parts.Section:
    """COCO's AP of both."""
    words = "Each connected region of the U-Net's semantic map counts as an instance."
    return parts.Section(
        title="As instances",
        components=[
            parts.Prose(paragraphs=[words]),
            _table(["metric", *COMPARED], instance_rows(content, AVERAGE_PRECISION)),
        ],
    )


def _costs(content: Content) -> parts.Section:
    models = content["models"]
    weights = [[key, *(m[key] for m in models.values())] for key in ("weights", "architecture")]
    rows = [*weights, *cost_rows(content)]
    return parts.Section(title="Cost", components=[_table(["cost", "U-Net", "Mask R-CNN"], rows)])


def _choices(content: Content) -> parts.Section:
    """What other overlap rules and score thresholds would give."""
    sweep, settings = content["thresholds"], content["settings"]
    level = content["semantic"]["unet"]["scores"]["mIoU"]
    thresholds = sweep["score_threshold"]
    lines = [
        parts.Line(name=f"Mask R-CNN, {rule}", x=thresholds, y=values)
        for rule, values in sweep["mIoU"].items()
    ]
    lines.append(parts.Line(name="U-Net", x=thresholds, y=[level] * len(thresholds)))
    columns = ["rule", "mIoU", "boundary mIoU", "difference", "95% interval", "significant"]
    words = (
        f"All scores are with the rule {settings['rule']} and a score threshold of "
        f"{settings['score_threshold']:g}."
    )
    return parts.Section(
        title="Overlap rule and score threshold",
        components=[
            parts.Prose(paragraphs=[words]),
            parts.Lines(
                title="mIoU by score threshold",
                lines=lines,
                x_label="score threshold",
                y_label="mIoU",
                x_limits=(0, 1),
            ),
            _table(columns, rule_rows(content), title=f"Overlap rules, beside {settings['rule']}"),
        ],
    )


def _details(content: Content) -> dict[str, str]:
    settings, models = content["settings"], content["models"]
    truth = settings["coco_json"] or count(settings["scenes"], "drawn scene")
    found = {
        "instseg": content["instseg"],
        "Mask R-CNN": models["mask_rcnn"]["weights"],
        "U-Net": models["unet"]["weights"],
        "truth": truth,
        "resamples": f"{settings['resamples']:,} (seed {settings['seed']})",
        **content["versions"],
    }
    return {name: printable(str(value)) for name, value in found.items()}


def _category_ids(models: ComparedModels) -> list[int]:
    ids = dict(zip(models.data.class_names, models.data.category_ids, strict=True))
    return [ids[name] for name in models.names]


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> parts.Table:
    """A table whose numbers can be sorted; the first column holds names."""
    cells = [[row[0], *map(_cell, row[1:])] for row in rows]
    return parts.Table(title=title, columns=columns, rows=cells)


def _cell(text: str) -> Cell:
    """A number that was written as text."""
    if text in ("", "-"):
        return None
    with contextlib.suppress(ValueError):
        return int(text)
    with contextlib.suppress(ValueError):
        value = float(text)
        return value if text == number(value) else parts.Written(value, text)
    return text


def _sure(limits: Sequence[float] | None, sign: str = "") -> str:
    return f"95% interval {interval(limits, sign)}" if limits else ""
