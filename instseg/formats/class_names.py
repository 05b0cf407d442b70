"""New names for the classes of labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from instseg.core.errors import ArgumentError
from instseg.core.wording import some
from instseg.files.coco_records import names_of
from instseg.formats.labels import Labels
from instseg.system.regular import require_regular_file


def new_names(classes: Mapping[str, str] | str | Path | None) -> dict[str, str]:
    """The new name of each class that gets one; "" for a class that is left out.

    Args:
        classes: See `MergeOptions`.

    Raises:
        ArgumentError: The text has another form, or names a class twice.
    """
    if classes is None or isinstance(classes, Mapping):
        return dict(classes or {})
    entries = str(classes).split(",")
    if isinstance(classes, Path) or "=" not in classes:
        require_regular_file(Path(classes))
        entries = Path(classes).read_text(encoding="utf-8-sig").splitlines()
    found: dict[str, str] = {}
    for entry in filter(None, map(str.strip, entries)):
        old, sign, new = (part.strip() for part in entry.rpartition("="))
        if not sign or not old or old in found:
            raise ArgumentError(f"{{classes}}: {entry}: give each class once, such as Cat=cat")
        found[old] = new
    return found


def check_known(names: Iterable[str], parts: Sequence[Labels]) -> None:
    """Raise ArgumentError for a class that no dataset has."""
    known = {name for part in parts for name in part.class_names().values()}
    if unknown := sorted(set(names) - known):
        raise ArgumentError(
            f"{{classes}} names {some(unknown)}, no class of any dataset; they have "
            f"{some(sorted(known))}"
        )


def renamed(labels: Labels, names: Mapping[str, str]) -> Labels:
    """Labels with new names of classes, which two classes may then share; see `new_names`."""
    kept = [
        {**each, "name": names.get(str(each["name"]), str(each["name"]))}
        for each in labels.categories
    ]
    categories = [each for each in kept if each["name"]]
    ids = {each["id"] for each in categories}
    images = []
    for image in labels.images:
        searched = names_of(image.get("labelled"))
        if searched is not None:
            searched_for = {names.get(name, name) for name in searched} - {""}
            image = {**image, "labelled": sorted(searched_for)}
        images.append(image)
    annotations = [each for each in labels.annotations if each["category_id"] in ids]
    document = {"images": images, "categories": categories, "annotations": annotations}
    return replace(labels, document={**labels.document, **document})
