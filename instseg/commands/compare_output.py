"""What `instseg compare-unet` prints and writes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from instseg import __version__
from instseg.commands.terminal import console, printable, table
from instseg.evaluation.semantic import LEAST_IMAGES, SIGNIFICANT
from instseg.system.atomic import replacing

FORMAT = 1  # of comparison.json
SHOWN_CLASSES = 20
LONGEST_NAME = 40  # characters
NAMED_CLASSES = 6  # in the answer
CURVE = "score_thresholds.png"

MEANS = {
    "mIoU": "mean IoU",
    "mIoU_fg": "mean IoU without background",
    "mDice": "mean Dice",
    "mDice_fg": "mean Dice without background",
    "pACC": "pixel accuracy",
    "mBIoU": "mean boundary IoU",
    "mBIoU_fg": "mean boundary IoU without background",
}
AVERAGE_PRECISION = {"AP": "AP", "AP50": "AP at IoU 0.50", "AP75": "AP at IoU 0.75"}
KINDS = {"bbox": "box", "segm": "mask"}
COMPARED = ("U-Net", "Mask R-CNN", "difference", "95% interval", "significant")
FATES = {
    "dataset": "the dataset, whose pixels are ignored",
    "mask_rcnn": "Mask R-CNN, which count as background",
    "unet": "the U-Net, which count as background",
}
"""What becomes of classes that not all know."""

Json = dict[str, Any]
Row = list[str]


def print_comparison(comparison: Json) -> None:
    """Print the classes that differ most, the scores and the costs."""
    rows = class_rows(comparison)
    half = SHOWN_CLASSES // 2
    shown = rows if len(rows) <= SHOWN_CLASSES else [*rows[:half], *rows[-half:]]
    table(["IoU of", "images", *COMPARED], ([row[0][:LONGEST_NAME], *row[1:]] for row in shown))
    if len(rows) > SHOWN_CLASSES:
        console.print(f"the {half} best and the {half} worst for Mask R-CNN of {len(rows)} classes")
    console.print("")
    table(["", *COMPARED], [*mean_rows(comparison), *instance_rows(comparison, ["AP"])])
    console.print("")
    table(["", "U-Net", "Mask R-CNN"], cost_rows(comparison))


def write_comparison(folder: Path, comparison: Json, pictures: Mapping[str, str]) -> list[str]:
    """Write comparison.json, comparison.md and the curve.

    Args:
        folder: Where to.
        comparison: What was measured.
        pictures: Titles of the pictures in the folder, by file name.

    Returns:
        The names of all files, pictures included.
    """
    from instseg.visualize.curves import over_thresholds
    from instseg.visualize.figures import save_figure

    whole = {"format": FORMAT, "instseg": __version__, "verdict": verdict(comparison)}
    whole |= comparison | {"pictures": dict(pictures)}
    with replacing(folder / "comparison.json") as path:
        path.write_text(json.dumps(whole, indent=1, allow_nan=False, default=str) + os.linesep)
    sweep = comparison["thresholds"]
    figure = over_thresholds(
        sweep["score_threshold"],
        sweep["mIoU"],
        comparison["semantic"]["unet"]["scores"]["mIoU"],
        chosen=comparison["settings"]["score_threshold"],
        names=("mIoU", "Mask R-CNN", "U-Net"),
    )
    save_figure(figure, folder / CURVE)
    with replacing(folder / "comparison.md") as path:
        path.write_text("\n".join(markdown(comparison, pictures)), encoding="utf-8")
    return ["comparison.json", "comparison.md", CURVE, *pictures]


def verdict(comparison: Json) -> list[str]:
    """The answer in sentences: which is better, in which classes, and how far to believe it."""
    each = comparison["semantic"]["difference"]["scores"]["mIoU"]
    images = _count(len(comparison["per_image"]), "image")
    value, limits = each["difference"], each["interval"]
    if value == 0 and each["p"] == 1:
        answer = "No difference: both have the same mIoU"
    elif limits is None:
        answer = f"{images} cannot tell whether the difference of {value:+.3f} mIoU is real"
    elif each["significant"]:
        better = "Mask R-CNN" if value > 0 else "The U-Net"
        low, high = sorted(map(abs, limits))
        answer = f"{better} is better by {abs(value):.3f} mIoU ({low:.3f} to {high:.3f})"
    else:
        answer = f"No difference in mIoU that these {images} can show"
        answer += f" (Mask R-CNN {value:+.3f}, {_range(limits, '+')})"
    differences = comparison["semantic"]["difference"]["per_class"]
    held = [row for row in differences if row["IoU"]["difference"] is not None]
    sure = {_name(row): row["IoU"]["difference"] for row in held if row["IoU"]["significant"]}
    ours = [name for name, difference in sure.items() if difference > 0]
    where = (
        f"Mask R-CNN is better in {_listed(ours)} of {_count(len(held), 'class')}, the U-Net in "
        f"{_listed([name for name in sure if name not in ours])}; of classes that do not differ, "
        "one in twenty is counted so by chance"
    )
    rows = comparison["semantic"]["unet"]["per_class"]
    few = sum(0 < row["images"] < LEAST_IMAGES for row in rows)
    doubt = (
        f"{few} of them {'is' if few == 1 else 'are'} in fewer than {LEAST_IMAGES} images: too few "
        "for an interval" + (", and that of the mean may be too narrow" if limits else "")
    )
    return [answer, where, *([doubt] if few else [])]


def not_compared(left_out: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, Sequence[str]]]:
    """Words for each side that knows classes which are not compared, and those classes."""
    for side, fate in FATES.items():
        if names := left_out[side]:
            yield f"classes not compared, as not all know them: {len(names)} of {fate}", names


def class_rows(comparison: Json) -> list[Row]:
    """A row per class that is in the truth, the best for Mask R-CNN first."""
    semantic = comparison["semantic"]
    sides = (semantic["unet"], semantic["mask_rcnn"], semantic["difference"])
    rows = [
        (_name(unet), unet["images"], unet["IoU"], ours["IoU"], difference["IoU"])
        for unet, ours, difference in zip(*(side["per_class"] for side in sides), strict=True)
        if unet["pixels"]
    ]
    rows.sort(key=lambda row: -row[4]["difference"])
    return [
        [name, str(images), *_compared(unet, ours, difference)]
        for name, images, unet, ours, difference in rows
    ]


def mean_rows(comparison: Json) -> Iterator[Row]:
    """A row per mean over the classes."""
    semantic = comparison["semantic"]
    unet, ours, differences = (
        semantic[key]["scores"] for key in ("unet", "mask_rcnn", "difference")
    )
    for metric, words in MEANS.items():
        yield [words, *_compared(unet[metric], ours[metric], differences[metric])]


def instance_rows(comparison: Json, metrics: Iterable[str]) -> Iterator[Row]:
    """The other way round: a row for boxes and masks, and for each of COCO's numbers."""
    for kind, block in comparison["instances"].items():
        unet, ours = block["unet"]["scores"], block["mask_rcnn"]["scores"]
        for metric in metrics:
            each = block["difference"][metric]
            compared = _compared(unet[metric], ours[metric], each)
            yield [f"{KINDS[kind]} {AVERAGE_PRECISION[metric]}", *compared]


def rule_rows(comparison: Json) -> Iterator[Row]:
    """A row per overlap rule, and how it differs from the chosen one."""
    chosen = comparison["settings"]["rule"]
    for rule, block in comparison["rules"].items():
        scores = [_number(block["scores"][metric]) for metric in ("mIoU", "mBIoU")]
        difference = _difference(block["difference"]["mIoU"])
        yield [rule, *scores, *(["", "", ""] if rule == chosen else difference)]


def threshold_rows(comparison: Json) -> Iterator[Row]:
    """A row per score threshold, with the mIoU by each overlap rule."""
    sweep = comparison["thresholds"]
    columns = zip(*sweep["mIoU"].values(), strict=True)
    for threshold, values in zip(sweep["score_threshold"], columns, strict=True):
        yield [f"{threshold:g}", *map(_number, values)]


def cost_rows(comparison: Json) -> Iterator[Row]:
    """A row per price."""
    models = [comparison["models"][side] for side in ("unet", "mask_rcnn")]
    yield ["parameters", *(f"{model['parameters']:,}" for model in models)]
    if "seconds" in models[0]:
        yield ["seconds an image, median", *(f"{m['seconds']['median']:.3g}" for m in models)]
        yield ["memory, MB", *(f"{model['memory_mb']:.0f}" for model in models)]
    if "gpu_memory_mb" in models[0]:
        yield ["GPU memory, MB", *(f"{model['gpu_memory_mb']:.0f}" for model in models)]


def markdown(comparison: Json, pictures: Mapping[str, str]) -> Iterator[str]:
    """The lines of comparison.md."""
    settings, models = comparison["settings"], comparison["models"]
    images = _count(len(comparison["per_image"]), "image")
    classes = len(comparison["semantic"]["unet"]["per_class"]) - 1
    answer, *more = verdict(comparison)
    yield f"# Mask R-CNN beside a U-Net on {images}\n"
    yield f"**{_escaped(answer)}**\n"
    yield f"{_escaped('. '.join(more))}.\n"
    files = [[key, *(m[key] for m in models.values())] for key in ("weights", "architecture")]
    yield from _markdown_table(["", "U-Net", "Mask R-CNN"], [*files, *cost_rows(comparison)])
    truth = settings["coco_json"] or _count(settings["scenes"], "drawn scene")
    yield (
        f"Truth: {_escaped(str(truth))}, {_count(classes, 'class')} that the dataset and both "
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
    yield "Each connected region of the U-Net's label map counts as an instance.\n"
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


def _compared(unet: float | None, ours: float | None, difference: Json) -> Row:
    """What stands under `COMPARED`."""
    return [_number(unet), _number(ours), *_difference(difference)]


def _difference(each: Json) -> Row:
    significant = "" if each["p"] is None else "yes" if each["p"] < SIGNIFICANT else "no"
    return [_number(each["difference"], "+"), _range(each["interval"], "+"), significant]


def _number(value: float | None, sign: str = "") -> str:
    return "-" if value is None or value == -1 else f"{value:{sign}.3f}"


def _range(limits: Sequence[float] | None, sign: str = "") -> str:
    return "" if limits is None else f"{limits[0]:{sign}.3f} to {limits[1]:{sign}.3f}"


def _name(row: Json) -> str:
    return "background" if row["class"] == "BG" else printable(row["class"])


def _listed(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > NAMED_CLASSES else ""
    return f"{len(names)} ({', '.join(names[:NAMED_CLASSES])}{more})" if names else "none"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "es" if thing[-1] == "s" else "s")
