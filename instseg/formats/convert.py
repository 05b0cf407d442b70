"""`convert`: labels from one tool's format to another's."""

from __future__ import annotations

import csv
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from instseg.core.errors import InputError
from instseg.core.events import Notice, OnEvent, Warned, ignore
from instseg.core.html_table import html_table
from instseg.core.options import takes
from instseg.core.wording import count, one_line, printable
from instseg.doctor.examine import quick_check
from instseg.doctor.findings import Finding
from instseg.files.image import MAX_PIXELS
from instseg.formats.format import Format, Reading, Writing
from instseg.formats.labels import Labels
from instseg.formats.losses import losses
from instseg.formats.notes import Notes
from instseg.formats.options import ConvertOptions, in_pixels
from instseg.formats.photo_names import other_sizes
from instseg.formats.registry import format_of, recognised
from instseg.formats.shapes import measured, size_of
from instseg.system.atomic import make_folder, naming_file, sweep

CLASSES = "classes.csv"


@dataclass(frozen=True, kw_only=True, repr=False)
class Conversion:
    """Labels that were converted.

    Attributes:
        path: The folder or file that was written.
        classes_csv: The table of classes: id and name in the source, and id in the result.
        source_format: The format that was read.
        format: The format that was written.
        images: Number of photos.
        objects: Number of objects that were read, crowds included.
        classes: Number of classes.
        notes: All that cannot be kept, one line each.
        findings: What the doctor's quick check finds in the labels.
    """

    path: Path
    classes_csv: Path
    source_format: str
    format: str
    images: int
    objects: int
    classes: int
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]

    def __repr__(self) -> str:
        return f"Conversion({str(self.path)!r}: {self.summary()})"

    def summary(self) -> str:
        """`yolo-seg to coco, 3 images, 8 objects, 2 classes`."""
        counts = (
            count(self.images, "image"),
            count(self.objects, "object"),
            count(self.classes, "class"),
        )
        return f"{self.source_format} to {self.format}, {', '.join(counts)}"

    def _repr_html_(self) -> str:
        """A table of what was not kept, for notebooks."""
        rows = [(note,) for note in self.notes] or [("nothing",)]
        return html_table(("not kept",), rows, caption=repr(self))


@takes(ConvertOptions)
def convert(options: ConvertOptions) -> Conversion:
    """Convert labels from the format of one tool to that of another.

    Raises:
        InputError: The source has no known format or is broken, or `out` exists already.
    """
    source, out = Path(options.source), Path(options.out)
    target = format_of(options.to)
    as_file = bool(target.file) and out.suffix.lower() == Path(target.file).suffix
    check_free(out, target)
    labels, read_as = read_labels(
        source,
        options.images,
        from_format=options.from_format,
        values=options.values,
        on_event=options.on_event,
    )
    notes, findings = tell_losses(labels, target, source, options.on_event)
    writing = Writing(
        tolerance=in_pixels(options.tolerance),
        copy_photos=options.copy_photos,
        one_file=as_file,
        on_event=options.on_event,
    )
    write_labels(labels, out, target, writing)
    return Conversion(
        path=out,
        classes_csv=out.with_suffix(f".{CLASSES}") if as_file else out / CLASSES,
        source_format=read_as.name,
        format=target.name,
        images=len(labels.images),
        objects=len(labels.annotations),
        classes=len(labels.categories),
        notes=(*notes, *writing.notes.lines()),
        findings=findings,
    )


def read_labels(
    source: str | Path,
    images: str | Path | None = None,
    *,
    from_format: str | None = None,
    values: str | Mapping[int, str] | None = None,
    on_event: OnEvent = ignore,
) -> tuple[Labels, Format]:
    """Read labels of any format.

    Args:
        source: See `ConvertOptions`.
        images: See `ConvertOptions`.
        from_format: See `ConvertOptions`.
        values: See `ConvertOptions`.
        on_event: See `ConvertOptions`.

    Returns:
        The labels, each object with a box and an area, and the format that they were in.

    Raises:
        InputError: The source has no known format or is broken, or a folder does not exist.
    """
    path, folder = Path(source), Path(images) if images is not None else None
    if folder is not None and not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder of the photos")
    found = recognised(path) if from_format is None else format_of(from_format)
    if from_format is not None and not path.exists():
        raise InputError(f"{path}: no such file or folder; check the path")
    labels = _possible(found.read(path, Reading(images=folder, values=values, on_event=on_event)))
    sizes = {image["id"]: size_of(image) for image in labels.images}
    annotations = [measured(each, sizes[each["image_id"]]) for each in labels.annotations]
    names = [{**each, "name": one_line(str(each["name"]))} for each in labels.categories]
    document = {**labels.document, "categories": names, "annotations": annotations}
    return replace(labels, document=document), found


def _possible(labels: Labels) -> Labels:
    """The labels without photos of more pixels than are read, for whose masks memory is missing."""
    notes = Notes()
    images = []
    for image in labels.images:
        height, width = size_of(image)
        if height * width <= MAX_PIXELS:
            images.append(image)
        else:
            words = f"photos of more than {MAX_PIXELS:,} pixels by their labels: left out with them"
            notes.add(words, f"{image['file_name']}, {width} x {height}")
    if len(images) == len(labels.images):
        return labels
    ids = {image["id"] for image in images}
    annotations = [each for each in labels.annotations if each["image_id"] in ids]
    document = {**labels.document, "images": images, "annotations": annotations}
    return replace(labels, document=document, notes=(*labels.notes, *notes.lines()))


def write_labels(labels: Labels, out: Path, target: Format, writing: Writing) -> None:
    """Write labels and the table of their classes; nothing is left behind if this fails.

    Args:
        labels: The labels.
        out: The folder, or with `writing.one_file` the file; it does not exist, or is empty.
        target: The format.
        writing: How.
    """
    with _folder_for(out, target.file if writing.one_file else "") as folder:
        new_ids = target.write(labels, folder, writing)
        _write_classes(folder / CLASSES, labels, new_ids)
    for note in writing.notes.lines():
        writing.on_event(Notice(text=printable(note)))


def check_free(out: Path, target: Format) -> None:
    """Raise InputError if a result would overwrite something."""
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists() or out.is_symlink():
        raise InputError(f"{out}: exists already and is not overwritten; name another or remove it")
    if out.suffix.lower() in (".json", ".xml", ".yaml", ".zip") and not (
        target.file and Path(target.file).suffix == out.suffix.lower()
    ):
        raise InputError(f"{out}: {target.title} is a folder; name a folder")


def tell_losses(
    labels: Labels, target: Format, source: Path, on_event: OnEvent
) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    """Tell, and return, all that cannot be kept and what the doctor's quick check finds.

    Args:
        labels: The labels.
        target: The format that they will be written in.
        source: The file or folder that findings name.
        on_event: Called with `Notice` and `Warned`.
    """
    findings = quick_check(labels.document, labels.photos)
    for each in findings:
        told = Notice if each.severity == "note" else Warned
        on_event(told(text=printable(f"{source}: {each.count:,} {each.code}: {each.message}")))
    notes = (*labels.notes, *losses(labels, target), *other_sizes(labels))
    for note in notes:
        on_event(Notice(text=printable(note)))
    return notes, tuple(findings)


@contextmanager
def _folder_for(out: Path, file: str) -> Iterator[Path]:
    """An empty folder that becomes `out` if the block succeeds; with `file`, that file becomes it.

    Its table of classes then lies beside it.
    """
    make_folder(out.parent)
    sweep(out.parent)
    temporary = out.with_name(f".instseg-{os.getpid()}-{secrets.token_hex(8)}.tmp")
    try:
        with naming_file(out):
            temporary.mkdir()
            yield temporary
            if file:
                (temporary / CLASSES).replace(out.with_suffix(f".{CLASSES}"))
                (temporary / file).replace(out)
            else:
                if out.is_dir():  # and empty
                    out.rmdir()
                temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_classes(path: Path, labels: Labels, new_ids: Mapping[int, int] | None) -> None:
    """A table of the classes' ids in the source and in the result."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["source_id", "name", "id"])
        for number, name in labels.class_names().items():
            new = number if new_ids is None else new_ids.get(number, "")
            table.writerow([labels.source_ids.get(number, number), name, new])
