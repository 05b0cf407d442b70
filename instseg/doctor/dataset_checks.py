"""What is wrong with a dataset as a whole: its classes, by itself and next to a validation set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from instseg.doctor.findings import Finding, finding
from instseg.doctor.table import Table, is_whole, short
from instseg.files.coco_records import names_of

FEW_OBJECTS = 10
_LISTS = ("labelled", "neg_category_ids", "not_exhaustive_category_ids")
_BACKGROUND = {"bg", "background", "_background_", "__background__"}


def objects_per_class(table: Table) -> Counter[str]:
    """How many objects each class has, crowds left out; 0 for a class without."""
    counts: Counter[str] = Counter({table.class_name(number): 0 for number in table.categories})
    for number, count in Counter(table.category_ids[~table.crowd].tolist()).items():
        counts[table.class_name(number)] += count
    return counts


def check_names(table: Table) -> list[Finding]:
    """Find class names that are nearly the same, or mean background."""
    names = {table.class_name(number) for number in table.categories}
    alike = {name for group in alike_names(names) for name in group}
    background = {name for name in names if _plain(name) in _BACKGROUND}
    return [
        *_classes(table, "category-name-alike", alike),
        *_classes(table, "category-bg", background & {"BG"}),
        *_classes(table, "category-background", background - {"BG"}),
    ]


def alike_names(names: Iterable[str]) -> list[list[str]]:
    """Groups of class names that differ only in capitals or blanks."""
    groups: dict[str, set[str]] = {}
    for name in names:
        groups.setdefault(_plain(name), set()).add(name)
    return [sorted(group) for group in groups.values() if len(group) > 1]


def _plain(name: str) -> str:
    return "".join(name.split()).casefold()


def check_classes(table: Table) -> list[Finding]:
    """Find unusual names, classes of few or no objects, and images without any."""
    found = check_names(table)
    if not len(table):
        found.append(finding("no-objects", table.document))
    used = set(table.image_ids.tolist())
    bare = [row for number, row in table.images.items() if number not in used]
    if bare:
        found.append(finding("images-empty", table.document, "images", bare))
    counts = objects_per_class(table)
    few = {name for name, count in counts.items() if 0 < count < FEW_OBJECTS}
    empty = {name for name, count in counts.items() if not count}
    found += _classes(table, "class-few", few) + _classes(table, "class-empty", empty)
    return found + _check_searched(table)


def _check_searched(table: Table) -> list[Finding]:
    """Find what should tell the classes that were looked for, and does not."""
    found, document = [], table.document
    images = {row: document["images"][row] for row in table.images.values()}
    wrong = {row: keys for row, image in images.items() if (keys := strange_labels(image))}
    if wrong:
        row, keys = next(iter(wrong.items()))
        detail = f"{keys[0]}: {short(images[row][keys[0]])}"
        found.append(finding("labelled-form", document, "images", list(wrong), detail))
    searched = document.get("searched")
    if searched is not None and names_of(searched) is None:
        found.append(finding("searched-form", document, detail=short(searched)))
    return found


def strange_labels(image: Mapping[str, Any]) -> list[str]:
    """The fields of a photo that should list classes, and do not."""
    given = {key: image[key] for key in _LISTS if image.get(key) is not None}
    return [
        key
        for key, value in given.items()
        if (names_of(value) is None if key == "labelled" else not _are_ids(value))
    ]


def _are_ids(value: object) -> bool:
    return isinstance(value, list) and all(map(is_whole, value))


def compare_classes(table: Table, val: Table) -> list[Finding]:
    """Find classes with objects on one side only, and categories that differ."""
    train_counts, val_counts = objects_per_class(table), objects_per_class(val)
    train = {name for name, count in train_counts.items() if count}
    theirs = {name for name, count in val_counts.items() if count}
    unlearned = theirs - train
    found = _classes(table, "class-not-in-val", train - theirs)
    if unlearned:
        names = _names(unlearned)
        found.append(
            finding("class-not-in-train", table.document, detail=names, count=len(unlearned))
        )
    ids = {table.class_name(number): number for number in table.categories}
    other = {val.class_name(number): number for number in val.categories}
    differ = {name for name in ids.keys() | other if ids.get(name) != other.get(name)}
    if differ:
        words = (
            f"{short(n)} is {ids.get(n, 'absent')}, there {other.get(n, 'absent')}"
            for n in sorted(differ)[:3]
        )
        detail = "; ".join(words)
        found.append(finding("categories-differ", table.document, detail=detail, count=len(differ)))
    return found


def _classes(table: Table, code: str, names: set[str]) -> list[Finding]:
    rows = [row for number, row in table.categories.items() if table.class_name(number) in names]
    return [finding(code, table.document, "categories", rows, _names(names))] if rows else []


def _names(names: Iterable[str]) -> str:
    shown = sorted(names)
    return ", ".join(map(short, shown[:8])) + (", ..." if len(shown) > 8 else "")
