"""`instseg info`: what a model file contains."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import TextWrapper
from typing import Any

from instseg.commands.listener import MOST_ROWS
from instseg.commands.terminal import console, printable, table
from instseg.core.errors import InputError
from instseg.core.wording import LONGEST_NAME, count, interval, number
from instseg.files.about import ABOUT
from instseg.files.exported_file import ExportedFile, is_exported, read_exported
from instseg.files.model_card import ModelCard
from instseg.files.model_file import describe
from instseg.files.model_metrics import Metrics, stored_metrics
from instseg.files.weights import NAMED, locate

SHOWN_METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl")
FEW_OBJECTS = 10
LINES = TextWrapper(width=100, break_long_words=False, break_on_hyphens=False)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Shows what a model file contains: architecture, classes, metrics, data and provenance.

    Args:
        file: A model file (.safetensors), an exported file (.onnx or .xml), or the name of embedded
            weights: photos, photos-unet, demo or unet-demo.
    """

    file: Path


def run(config: Options) -> int:
    """Prints the model card; returns 0."""
    named = NAMED.get(str(config.file))
    if named and named.published:
        box, mask = map(number, named.published)
        raise InputError(
            f"{named.name}: torchvision's file holds no description; torchvision publishes box AP "
            f"{box} and mask AP {mask} on COCO val2017 for it"
        )
    path = locate(config.file)
    if is_exported(path):
        return _print_exported(read_exported(path))
    facts = describe(path)
    card = facts["card"]
    _print_card(
        card,
        {
            "file": path,
            "size": f"{facts['bytes'] / 1e6:.1f} MB",
            "architecture": card.architecture,
            "arguments": _in_words(card.architecture_args),
            "parameters": f"{facts['parameters']:,} in {facts['tensors']} tensors",
            "stored as": ", ".join(facts["dtypes"]),
        },
    )
    return 0


def _print_exported(file: ExportedFile) -> int:
    lines: dict[str, object] = {
        "file": file.path,
        "size": f"{file.bytes / 1e6:.1f} MB",
        "architecture": file.card.architecture,
        "stored as": file.dtype,
    }
    if file.max_detections is not None:
        lines["detections"] = f"at most {file.max_detections} per photo"
    lines["certificate"] = _in_words(file.certificate) or "none: it was not compared with the model"
    _print_card(file.card, lines)
    return 0


def _print_card(card: ModelCard, lines: dict[str, object]) -> None:
    """Print lines, what the card says, and its metrics."""
    classes = zip(card.class_names[1:], card.category_ids[1:], strict=True)
    metrics = stored_metrics(card)
    lines |= {
        "preprocessing": _in_words(card.preprocessing),
        "thresholds": _in_words({name: round(at, 3) for name, at in card.thresholds.items()})
        or "none",
        "classes": f"{len(card.class_names) - 1}, with their dataset ids",
        "": ", ".join(f"{name} {number}" for name, number in classes),
    }
    told = _provenance(_without_shown(card.provenance, metrics))
    for name, value in [*lines.items(), *told, *_about(card.provenance)]:
        text = printable(str(value))
        for i, line in enumerate([text] if name == "file" else LINES.wrap(text)):
            console.print(f"{'' if i else printable(name):<14} {line}")
    _print_metrics(metrics)


def _provenance(told: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Its lines: what is told in one value, then each group of values."""
    groups = {key: words for key, value in told.items() if (words := _group(value))}
    rest = _in_words({key: value for key, value in told.items() if key not in groups})
    if rest or not groups:
        yield "provenance", rest or "not told"
    yield from groups.items()


def _group(value: object) -> str:
    return _in_words(value) if isinstance(value, dict) else ""


def _in_words(values: Mapping[str, object]) -> str:
    """`key value, key value`, of inner groups `group.key value`; nothing where there is none."""
    return ", ".join(f"{key} {_one(value)}" for key, value in _flat(values))


def _flat(values: Mapping[str, object], before: str = "") -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        elif value not in (None, "", []):
            yield f"{before}{key}", value


def _one(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)


def _without_shown(
    provenance: Mapping[str, Any], metrics: Mapping[str, Metrics]
) -> dict[str, object]:
    """The provenance without what has lines or tables of its own."""
    told = {key: value for key, value in provenance.items() if key not in ABOUT}
    if metrics:
        rest = {key: value for key, value in told["metrics"].items() if key not in metrics}
        told |= {"metrics": rest}
        if not rest:
            del told["metrics"]
    return told


def _about(provenance: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """What the model was trained on, its licence, and what it is not for: a line for each text."""
    for key, label in ABOUT.items():
        told = provenance.get(key)
        texts = told if isinstance(told, list) else [] if told is None else [told]
        for first, text in enumerate(texts):
            shown = text if isinstance(text, str) else json.dumps(text)
            yield ("" if first else label), shown


def _print_metrics(metrics: Mapping[str, Metrics]) -> None:
    """COCO metrics of boxes and masks with their intervals, then AP by class."""
    kinds = list(metrics.values())
    if not kinds:
        return
    console.print("")
    if images := kinds[-1].images:
        console.print(f"measured on {count(images, 'photo')}")
    columns = [column for each in kinds for column in (each.name, "95% interval")]
    rows = (
        [name, *(cell for each in kinds for cell in _cells(each, name))]
        for name in SHOWN_METRICS
        if any(name in each.scores for each in kinds)
    )
    _filled_table(["", *columns], rows)
    objects = kinds[-1].objects
    names = list(dict.fromkeys(name for each in kinds for name in each.per_class))
    if not names:
        return
    console.print("")
    by_class = (
        [
            printable(name)[:LONGEST_NAME],
            f"{objects[name]:.0f}" if name in objects else "",
            *(number(each.per_class.get(name)) for each in kinds),
        ]
        for name in names[:MOST_ROWS]
    )
    _filled_table(["class", "objects", *(f"{each.name} AP" for each in kinds)], by_class)
    few = sum(0 < objects[name] < FEW_OBJECTS for name in names if name in objects)
    if few:
        console.print(
            f"{few} of {count(len(names), 'class')}: fewer than {FEW_OBJECTS} objects, where AP is "
            "too high and its interval too narrow"
        )


def _filled_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table without the columns that have no value."""
    table_rows = list(rows)
    kept = [i for i in range(len(columns)) if not i or any(row[i] for row in table_rows)]
    table([columns[i] for i in kept], [[row[i] for i in kept] for row in table_rows])


def _cells(each: Metrics, name: str) -> tuple[str, str]:
    return number(each.scores.get(name)), interval(each.intervals.get(name))
