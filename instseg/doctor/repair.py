"""Writes a repaired copy of a COCO dataset."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

from instseg.core.errors import InputError
from instseg.core.events import OnEvent, Warned, ignore
from instseg.core.html_table import html_table
from instseg.core.options import python_only, takes
from instseg.core.wording import count
from instseg.doctor.examination import Examination, PhotoDepth, contents
from instseg.doctor.examine import examine
from instseg.doctor.mend import mend
from instseg.doctor.patient import Change
from instseg.system.atomic import replacing


@dataclass(frozen=True)
class RepairOptions:
    """Writes a repaired copy of a dataset in COCO format; the dataset itself is not changed.

    Args:
        coco_json: The dataset.
        images: Folder of its photos; if not given, photos are not checked, but those of a
            `CocoData` are.
        out: The .json file for the repaired dataset.
        val_coco_json: A validation set, whose photos leave the repaired dataset.
        val_images: Folder of its photos; by default that of `images`.
        photos: How thoroughly photos are checked: no (only that they exist), headers (also their
            sizes), or all (each is decoded, which finds damaged photos and duplicates).
        clear_crowds: Make every crowd an object: some tools flag objects as crowds, which training
            leaves out.
        on_event: Called with `Progress`, and with `Warned` when most of the dataset is left out.
    """

    coco_json: str | Path | os.PathLike[str]
    images: str | Path | None = None
    _: KW_ONLY
    out: str | Path
    val_coco_json: str | Path | os.PathLike[str] | None = None
    val_images: str | Path | None = None
    photos: PhotoDepth = "all"
    clear_crowds: bool = False
    on_event: OnEvent = python_only(ignore)


@dataclass(frozen=True, kw_only=True, eq=False)
class Repair:
    """A repaired dataset.

    Attributes:
        path: The file that was written.
        changes: All changed or dropped records, in order.
        examination: The examination of the repaired dataset.
    """

    path: Path
    changes: tuple[Change, ...]
    examination: Examination

    def kinds(self) -> list[tuple[str, str, str, int]]:
        """What was done ("repair" or "drop"), by section and finding, and to how many records."""
        keys = Counter((each.action, each.section, each.code) for each in self.changes)
        return [(*key, number) for key, number in keys.items()]

    def __repr__(self) -> str:
        """One line: the file, the number of changes, and what is left."""
        done = Counter(each.action for each in self.changes)
        return (
            f"Repair({str(self.path)!r}: {count(done['repair'], 'repair')}, {done['drop']} left "
            f"out; {contents(self.examination.statistics)})"
        )

    def _repr_html_(self) -> str:
        """A table of the changes, for notebooks."""
        rows = [(action, *names, f"{number:,}") for action, *names, number in self.kinds()]
        return html_table(("action", "section", "code", "records"), rows, caption=repr(self))


@takes(RepairOptions)
def repair(options: RepairOptions) -> Repair:
    """Write a repaired copy of a COCO dataset.

    Raises:
        InputError: A file is not JSON, a folder does not exist, `out` is one of the inputs, or
            nothing would be left.
    """
    check_target(options.out, [options.coco_json, options.val_coco_json])
    examination = examine(
        options.coco_json,
        options.images,
        val_coco_json=options.val_coco_json,
        val_images=options.val_images,
        photos=options.photos,
        on_event=options.on_event,
    )
    return repair_examined(
        examination, options.out, clear_crowds=options.clear_crowds, on_event=options.on_event
    )


def check_target(out: str | Path, inputs: Iterable[str | os.PathLike[str] | None]) -> None:
    """Raise InputError if a repaired dataset must not be written there."""
    out = Path(out)
    if out.suffix.lower() != ".json":
        raise InputError(f"{out}: name a .json file, which gets the repaired dataset")
    present = [Path(path) for path in inputs if path is not None and Path(path).exists()]
    if out.exists() and any(map(out.samefile, present)):
        raise InputError(f"{out}: is an input, which stays as it is; name another file")


def repair_examined(
    examination: Examination,
    out: str | Path,
    *,
    clear_crowds: bool = False,
    on_event: OnEvent = ignore,
) -> Repair:
    """Write a repaired copy of what was examined.

    Args:
        examination: Of the dataset.
        out: The file; `check_target` tells whether it may be written.
        clear_crowds: See `RepairOptions`.
        on_event: See `RepairOptions`.

    Raises:
        InputError: Nothing would be left.
    """
    path = Path(out)
    if any(each.code == "not-coco" for each in examination.findings):
        raise InputError(f"{examination.coco_json}: no COCO dataset, so {path} is not written")
    healed, changes = mend(examination, clear_crowds=clear_crowds, on_event=on_event)
    _check_what_is_left(examination.document, healed, path, on_event)
    with replacing(path) as temporary:
        temporary.write_bytes(json_of(healed.document))
    return Repair(path=path, changes=tuple(changes), examination=healed)


def json_of(document: Any) -> bytes:
    """JSON that every program reads: "?" for halves of characters, which some refuse."""
    text = json.dumps(document)
    if "\\ud" not in text:  # as nearly all are
        return text.encode()
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")


def _check_what_is_left(
    document: dict[str, Any], healed: Examination, path: Path, on_event: OnEvent
) -> None:
    """Warn when a repair leaves out most of a dataset, and refuse one that leaves nothing."""
    for section in ("images", "annotations"):
        before, after = document.get(section), len(healed.document[section])
        number = len(before) if isinstance(before, list | dict | str) else 0
        if not after:
            lacking = f"none of the {number} {section}" if number else f"no {section}"
            raise InputError(
                f"{path}: not written, as {lacking} would be left; the findings say why: a wrong "
                "folder, or something that concerns the whole file and has to be put right by hand"
            )
        if after < number / 2:
            words = f"only {after} of {number} {section} are left; see the findings"
            on_event(Warned(text=f"{path}: {words}"))
