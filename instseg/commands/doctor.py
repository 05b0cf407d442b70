"""`instseg doctor`: checks a dataset and repairs it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from instseg.commands.listener import Listener
from instseg.commands.terminal import console
from instseg.core.errors import ArgumentError, InputError
from instseg.core.wording import count, printable
from instseg.system.atomic import replacing

if TYPE_CHECKING:
    from instseg.doctor.examination import Examination
    from instseg.doctor.findings import Finding
    from instseg.doctor.repair import Repair

_PHOTOS_ON_SHEET = 30
_CLASSES_SHOWN = 100
_FINDINGS, _SHEET, _CHANGES = "findings.json", "contact_sheet.png", "changes.json"
_REPORT = "report.html"
_DATA = "data{}.json"  # with the split


@dataclass(frozen=True, kw_only=True)
class Options:
    """Checks a dataset in COCO format, and repairs it with --fix.

    Args:
        coco_json: The dataset to check, in COCO format.
        images: Folder of its photos; if not given, photos are not checked.
        data: Instead of --coco-json: labels of any format that convert reads, with their photos.
            They are written to --out as data.json, or data_train.json and data_val.json; the split
            val is the validation set, if there is no other.
        val_coco_json: Validation set; checked for photos that are also in the training set, and
            for missing classes.
        val_images: Folder of its photos; by default that of --images.
        photos: How thoroughly photos are checked: no (only that they exist), headers (also their
            sizes), or all (each is decoded, which finds damaged photos and duplicates).
        fix: Write the repaired dataset to this file, and all changes to changes.json.
        clear_crowds: With --fix, set iscrowd to 0 in all annotations: some tools set it for
            ordinary objects, which training then ignores.
        report: Also write report.html: the findings with some photos of each, and statistics.
        contact_sheet: Draw contact_sheet.png: photos with their annotations and problems.
        out: Output folder, for findings.json, report.html, contact_sheet.png and changes.json.
    """

    coco_json: Path | None = None
    images: Path | None = None
    data: Path | None = None
    val_coco_json: Path | None = None
    val_images: Path | None = None
    photos: Literal["no", "headers", "all"] = "all"
    fix: Path | None = None
    clear_crowds: bool = False
    report: bool = False
    contact_sheet: bool = True
    out: Path = Path("out/doctor")


def run(config: Options) -> int:
    """Checks the dataset, repairs it on request, prints findings; returns 1 if there are errors."""
    from instseg.data.examine import examine
    from instseg.doctor.repair import repair_examined

    if config.clear_crowds and not config.fix:
        raise ArgumentError("{clear_crowds} needs {fix}")
    _check(config)
    with Listener() as listener:
        examination = examine(
            config.coco_json,
            config.images,
            data=config.data,
            val_coco_json=config.val_coco_json,
            val_images=config.val_images,
            photos=config.photos,
            report=config.out / _REPORT if config.report else None,
            on_event=listener,
        )
    written, config = _data_files(config, examination)
    _print_findings(examination.findings)
    _print_statistics(examination.statistics)
    written += [_write_findings(config, examination)]
    written += [examination.report] if examination.report else []
    if config.images and config.contact_sheet:
        written += _write_sheet(config, examination)
    if config.fix:
        with Listener() as listener:
            repaired = repair_examined(
                examination, config.fix, clear_crowds=config.clear_crowds, on_event=listener
            )
        _print_changes(repaired)
        changes = [each.to_json() for each in repaired.changes]
        written += [repaired.path, _write_json(config.out / _CHANGES, changes)]
    files = ", ".join(map(str, written))
    console.print(f"{config.coco_json}: {examination.summary()}; wrote {files}")
    return 0 if examination.ok else 1


def _data_files(config: Options, examination: Examination) -> tuple[list[Path], Options]:
    """Write data of another format as COCO files; returns them, and the options with their names.

    Ids in the findings are those of these files.
    """
    if config.data is None:
        return [], config
    around, document = examination.surroundings, examination.document
    split = document["images"][0].get("split")
    name = _DATA.format(f"_{split}" if split else "")
    files = [_write_json(config.out / name, document, indent=None)]
    if around.val is not None and config.val_coco_json is None:
        files.append(
            _write_json(config.out / _DATA.format("_val"), around.val.document, indent=None)
        )
        config = replace(config, val_coco_json=files[-1], val_images=around.folder)
    return files, replace(config, coco_json=files[0], images=around.folder)


def _check(config: Options) -> None:
    """Refuse, before the work begins, to write over an input."""
    from instseg.doctor.repair import check_target

    given = (config.coco_json, config.val_coco_json, config.data)
    inputs = [path for path in given if path and path.exists()]
    written = [config.out / name for name in (_FINDINGS, _SHEET, _CHANGES, _REPORT)]
    if config.data:
        written += [config.out / _DATA.format(split) for split in ("", "_train", "_val", "_test")]
    for path in written:
        if path.exists() and any(map(path.samefile, inputs)):
            raise InputError(f"{path} is an input, which stays as it is; choose another --out")
    if config.fix:
        check_target(config.fix, inputs)
        if config.fix.resolve() in [path.resolve() for path in written]:
            raise InputError(f"--fix {config.fix} is a report of this command; name another file")


def _print_findings(findings: tuple[Finding, ...]) -> None:
    if not findings:
        console.print("nothing is wrong")
        return
    wide = max(len(each.code) for each in findings)
    styles = {"error": "bold red", "warning": "yellow", "note": None}
    indent = " " * (wide + 19)
    console.print(f"severity {'code':<{wide}} {'count':>7}  problem")
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
        f"{count(facts['images'], 'image')}, {count(facts['objects'], 'object')} "
        f"(small {sizes['small']}, medium {sizes['medium']}, large {sizes['large']}), "
        f"{count(facts['crowds'], 'crowd')}"
    )
    if per_image:
        width, height = facts["image_width"], facts["image_height"]
        console.print(
            f"objects an image: {per_image['least']} to {per_image['most']}, "
            f"median {per_image['median']:g}; image sizes: {width['least']} to {width['most']} x "
            f"{height['least']} to {height['most']}"
        )
    classes = [f"{name:.40} {number}" for name, number in facts["classes"].items()]
    more = f", ... ({len(classes)} in all)" if len(classes) > _CLASSES_SHOWN else ""
    shown = ", ".join(classes[:_CLASSES_SHOWN]) + more
    console.print(printable(f"classes: {shown or 'none'}"))


def _print_changes(repaired: Repair) -> None:
    from instseg.doctor.examination import contents

    for action, section, code, number in repaired.kinds():
        verb = "dropped" if action == "drop" else "repaired"
        console.print(f"{verb:<8} {number:>7,} {section:<11} {code}")
    console.print(f"left: {contents(repaired.examination.statistics)}")


def _write_findings(config: Options, examination: Examination) -> Path:
    content = {
        "coco_json": str(config.coco_json),
        "images": config.images and str(config.images),
        "val_coco_json": config.val_coco_json and str(config.val_coco_json),
        "findings": [each.to_json() for each in examination.findings],
        "statistics": examination.statistics,
    }
    return _write_json(config.out / _FINDINGS, content)


def _write_json(path: Path, content: Any, indent: int | None = 1) -> Path:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=indent))
    return path


def _write_sheet(config: Options, examination: Examination) -> list[Path]:
    from instseg.doctor.examples import examples
    from instseg.files.image_writing import write_image
    from instseg.visualize.contact_sheet import contact_sheet
    from instseg.visualize.draw import draw_instances

    assert config.images  # the caller looked
    tiles = []
    meant = examination.surroundings.near.found
    for each in examples(
        examination.table, examination.findings, config.images, _PHOTOS_ON_SHEET, meant
    ):
        picture = each.image
        if each.instances is not None:
            picture = draw_instances(picture, each.instances, show_labels=False)
        tiles.append((picture, each.caption, ", ".join(each.troubles)))
    if not tiles:
        return []
    path = config.out / _SHEET
    write_image(path, contact_sheet(tiles))
    return [path]
