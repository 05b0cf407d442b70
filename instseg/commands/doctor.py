"""`instseg doctor`: what is wrong with a dataset, and its repair."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from instseg.commands.terminal import console, error, printable, progress_bar
from instseg.core.errors import InputError
from instseg.system.atomic import replacing

if TYPE_CHECKING:
    from instseg.doctor.examine import Examination
    from instseg.doctor.findings import Finding
    from instseg.doctor.patient import Change

_PHOTOS_ON_SHEET = 30
_CLASSES_SHOWN = 100
_FINDINGS, _SHEET, _CHANGES = _WRITTEN = ("findings.json", "contact_sheet.png", "changes.json")


@dataclass(frozen=True, kw_only=True)
class DoctorConfig:
    """Finds, and repairs, what is wrong with a dataset in COCO format.

    Args:
        coco_json: The dataset.
        images: Folder of its photos; without it, photos are not checked.
        val_coco_json: A validation set to compare with: the same photos, missing classes.
        val_images: Folder of its photos; that of --images if not given.
        photos: How far to look into photos: no (are they there?), headers (their sizes), or all
            (read each, which finds damaged ones and copies).
        fix: Write the repaired dataset to this file; every change is listed in changes.json.
        contact_sheet: Draw contact_sheet.png, photos with their annotations.
        out: Folder for findings.json, contact_sheet.png and changes.json.
    """

    coco_json: Path
    images: Path | None = None
    val_coco_json: Path | None = None
    val_images: Path | None = None
    photos: Literal["no", "headers", "all"] = "all"
    fix: Path | None = None
    contact_sheet: bool = True
    out: Path = Path("out/doctor")


def run(config: DoctorConfig) -> int:
    """Examines, repairs if asked to, and says what it saw; returns 1 if there are errors."""
    from instseg.doctor.examine import examine_document, survey
    from instseg.doctor.table import read_document

    _check(config)
    document = read_document(config.coco_json)
    val_images = config.val_images or config.images
    val = (config.val_coco_json, val_images) if config.val_coco_json else None
    with progress_bar("examining", "steps") as update:
        around = survey(document, config.images, val=val, photos=config.photos, progress=update)
        examination = examine_document(document, around, progress=update)
    _print_findings(examination.findings)
    _print_statistics(examination.statistics)
    written = [_write_findings(config, examination)]
    if config.images and config.contact_sheet:
        written += _write_sheet(config, examination)
    if config.fix:
        from instseg.doctor.repair import repair

        if not isinstance(document, dict):
            raise InputError(f"{config.coco_json}: not a COCO dataset, which cannot be repaired")
        with progress_bar("repairing", "steps") as update:
            healed, changes = repair(examination, around, progress=update)
        _print_changes(changes, healed)
        _check_what_is_left(document, healed, config.fix)
        written += _write_fixed(config, config.fix, healed, changes)
    kinds = [_counted(examination.count(s), s) for s in ("error", "warning", "note")]
    console.print(
        f"{config.coco_json}: {', '.join(kinds)}; {' and '.join(map(str, written))} written"
    )
    return 1 if examination.count("error") else 0


def _check(config: DoctorConfig) -> None:
    if config.val_images and not config.val_coco_json:
        raise InputError("--val-images needs --val-coco-json")
    inputs = [path for path in (config.coco_json, config.val_coco_json) if path and path.exists()]
    if config.fix and config.fix.exists() and any(map(config.fix.samefile, inputs)):
        raise InputError(f"--fix {config.fix} is an input, which stays as it is; name another file")
    if config.fix and config.fix.suffix.lower() != ".json":
        raise InputError(f"--fix {config.fix}: name a .json file, which gets the repaired dataset")
    written = [config.out / name for name in _WRITTEN]
    for path in written:
        if path.exists() and any(map(path.samefile, inputs)):
            raise InputError(f"{path} is an input, which stays as it is; choose another --out")
    if config.fix and config.fix.resolve() in [path.resolve() for path in written]:
        raise InputError(f"--fix {config.fix} is a report of this command; name another file")


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" + ("" if count == 1 else "s")


def _print_findings(findings: tuple[Finding, ...]) -> None:
    if not findings:
        console.print("nothing is wrong")
        return
    wide = max(len(each.code) for each in findings)
    styles = {"error": "bold red", "warning": "yellow", "note": None}
    indent = " " * (wide + 19)
    for each in findings:
        more = ", ..." if each.count > len(each.ids) > 0 else ""
        head = f"{each.severity:<8} {each.code:<{wide}} {each.count:>7,}  "
        console.print(head, style=styles[each.severity], end="")
        console.print(printable(each.message))
        if each.ids:
            console.print(f"{indent}id {', '.join(map(str, each.ids))}{more}")


def _print_statistics(facts: dict[str, Any]) -> None:
    sizes, per_image = facts["object_sizes"], facts["objects_per_image"]
    console.print(
        f"{_counted(facts['images'], 'image')}, {_counted(facts['objects'], 'object')} "
        f"(small {sizes['small']}, medium {sizes['medium']}, large {sizes['large']}), "
        f"{_counted(facts['crowds'], 'crowd')}"
    )
    if per_image:
        width, height = facts["image_width"], facts["image_height"]
        console.print(
            f"objects an image: {per_image['least']} to {per_image['most']}, "
            f"median {per_image['median']:g}; image sizes: {width['least']} to {width['most']} x "
            f"{height['least']} to {height['most']}"
        )
    classes = [f"{name:.40} {count}" for name, count in facts["classes"].items()]
    more = f", ... ({len(classes)} in all)" if len(classes) > _CLASSES_SHOWN else ""
    shown = ", ".join(classes[:_CLASSES_SHOWN]) + more
    console.print(printable(f"classes: {shown or 'none'}"))


def _print_changes(changes: list[Change], healed: Examination) -> None:
    from collections import Counter

    for (action, code, section), count in Counter(
        (each.action, each.code, each.section) for each in changes
    ).items():
        verb = "dropped" if action == "drop" else "repaired"
        console.print(f"{verb:<8} {count:>7,} {section:<11} {code}")
    left = healed.statistics
    console.print(f"left: {left['images']} images with {left['objects']} objects")


def _check_what_is_left(document: dict[str, Any], healed: Examination, fix: Path) -> None:
    """Say loudly when a repair drops most of a dataset, and refuse one that leaves nothing."""
    for section in ("images", "annotations"):
        before, after = document.get(section), len(healed.document[section])
        if not before or not hasattr(before, "__len__"):
            continue
        if not after:
            raise InputError(
                f"{fix}: not written, as none of the {len(before)} {section} would be left; the "
                "findings say why: a wrong folder, or a trouble of the whole file to mend by hand"
            )
        if after < len(before) / 2:
            error(f"{fix}: only {after} of {len(before)} {section} are left; see the findings")


def _write_findings(config: DoctorConfig, examination: Examination) -> Path:
    content = {
        "coco_json": str(config.coco_json),
        "images": config.images and str(config.images),
        "val_coco_json": config.val_coco_json and str(config.val_coco_json),
        "findings": [each.to_json() for each in examination.findings],
        "statistics": examination.statistics,
    }
    return _write_json(config.out / _FINDINGS, content)


def _write_fixed(
    config: DoctorConfig, fix: Path, healed: Examination, changes: list[Change]
) -> list[Path]:
    lines = [each.to_json() for each in changes]
    return [
        _write_json(fix, healed.document, indent=None),
        _write_json(config.out / _CHANGES, lines),
    ]


def _write_json(path: Path, content: Any, indent: int | None = 1) -> Path:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=indent))
    return path


def _write_sheet(config: DoctorConfig, examination: Examination) -> list[Path]:
    from instseg.doctor.examples import examples
    from instseg.files.image import write_image
    from instseg.visualize.contact_sheet import contact_sheet
    from instseg.visualize.draw import draw_instances

    assert config.images  # the caller looked
    tiles = []
    for each in examples(examination.table, examination.findings, config.images, _PHOTOS_ON_SHEET):
        picture = each.image
        if each.instances is not None:
            picture = draw_instances(picture, each.instances, show_labels=False)
        tiles.append((picture, each.caption, ", ".join(each.troubles)))
    if not tiles:
        return []
    path = config.out / _SHEET
    write_image(path, contact_sheet(tiles))
    return [path]
