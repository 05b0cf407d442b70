"""`merge`: several datasets into one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from instseg.core.errors import InputError
from instseg.core.events import Notice, OnEvent, Warned
from instseg.core.html_table import html_table
from instseg.core.options import takes
from instseg.core.wording import count, printable, some
from instseg.doctor.dataset_checks import alike_names
from instseg.doctor.findings import Finding
from instseg.doctor.photo_checks import copies
from instseg.formats.certain import certain
from instseg.formats.class_names import check_known, new_names, renamed
from instseg.formats.convert import CLASSES, check_free, read_labels, tell_losses, write_labels
from instseg.formats.format import Writing
from instseg.formats.groups import facts_of
from instseg.formats.joined import joined
from instseg.formats.labels import Labels
from instseg.formats.merge_options import MergeOptions
from instseg.formats.registry import format_of
from instseg.formats.same_photos import keep_once, known_classes, mark_labelled


@dataclass(frozen=True, kw_only=True, repr=False)
class DatasetMerge:
    """Datasets that were merged.

    Attributes:
        path: The folder or file that was written.
        classes_csv: The table of classes: their names, and ids in the result.
        format: The format that was written.
        photos: The folder that the file names are relative to; None if no photos were found.
            With `copy_photos`, the copies are in `path`.
        images: Number of photos.
        objects: Number of objects of each class, without crowds.
        kept_once: Number of photos that were left out because an earlier dataset has them.
        partly_labelled: Number of photos that are marked as labelled with some classes only.
        notes: All that cannot be kept, one line each.
        findings: What the doctor's quick check finds in the labels.
    """

    path: Path
    classes_csv: Path
    format: str
    photos: Path | None
    images: int
    objects: dict[str, int]
    kept_once: int
    partly_labelled: int
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]

    def __repr__(self) -> str:
        return f"DatasetMerge({str(self.path)!r}: {self.summary()})"

    def summary(self) -> str:
        """`12 images, 30 objects, 3 classes`."""
        counts = (
            count(self.images, "image"),
            count(sum(self.objects.values()), "object"),
            count(len(self.objects), "class"),
        )
        return ", ".join(counts)

    def rows(self) -> list[tuple[str, str]]:
        """A table: each class that has objects, and their number."""
        return [(name, f"{number:,}") for name, number in self.objects.items() if number]

    def _repr_html_(self) -> str:
        """The table, for notebooks."""
        return html_table(("class", "objects"), self.rows(), caption=repr(self))


@takes(MergeOptions)
def merge(options: MergeOptions) -> DatasetMerge:
    """Merge datasets into one; see `MergeOptions`.

    Raises:
        InputError: A source has no known format or is broken, a class that gets a new name is in
            no source, or `out` exists already.
    """
    out, target, tell = Path(options.out), format_of(options.to), options.on_event
    as_file = bool(target.file) and out.suffix.lower() == Path(target.file).suffix
    check_free(out, target)
    names = new_names(options.classes)
    titles, parts = _read(options.sources, options.images, tell)
    check_known(names, parts)
    parts = [renamed(part, names) for part in parts]
    _tell_of_sources(options.sources, parts, missing=options.missing, on_event=tell)
    labels, source_of = _joined(titles, parts, tell)
    same = _same_photos(labels, source_of, look=options.copies, on_event=tell)
    known = [each for part in parts for each in known_classes(part)]
    once = keep_once(labels, known, same)
    if same:
        tell(Notice(text=_words_of_same(labels, same, once.left_out)))
    labels, marked = mark_labelled(once.labels, once.known, all_images=options.missing == "unknown")
    if marked and not target.name.startswith("coco"):
        text = f"{target.title} cannot say which classes a photo is labelled with: write coco"
        tell(Warned(text=f"{text}, or what {count(marked, 'photo')} lack is background"))
    notes, findings = tell_losses(labels, target, out, tell)
    writing = Writing(copy_photos=options.copy_photos, one_file=as_file, on_event=tell)
    write_labels(labels, out, target, writing)
    return DatasetMerge(
        path=out,
        classes_csv=out.with_suffix(f".{CLASSES}") if as_file else out / CLASSES,
        format=target.name,
        photos=labels.photos,
        images=len(labels.images),
        objects=_objects(labels),
        kept_once=len(same),
        partly_labelled=marked,
        notes=notes,
        findings=findings,
    )


def _read(
    sources: Sequence[str | Path],
    images: Sequence[str | Path] | str | Path | None,
    on_event: OnEvent,
) -> tuple[list[str], list[Labels]]:
    """The name of each source, and its labels."""
    titles, parts = [], []
    for number, source in enumerate(map(Path, sources)):
        folder = images if images is None or isinstance(images, str | Path) else images[number]
        part, read_as = read_labels(source, folder, on_event=on_event)
        part = certain(part, read_as, source, on_event)
        title = source.name if source.is_dir() else f"{source.absolute().parent.name}_{source.stem}"
        titles.append(title if title not in titles else f"{title}_{number + 1}")
        photos = None if part.photos is None else Path(os.path.abspath(part.photos))  # noqa: PTH100
        notes = tuple(f"{source}: {note}" for note in part.notes)
        parts.append(replace(part, photos=photos, notes=notes))
        text = f"{source}: {read_as.name}, {count(len(part.images), 'photo')}"
        on_event(Notice(text=printable(text)))
    return titles, parts


def _tell_of_sources(
    sources: Sequence[str | Path], parts: Sequence[Labels], *, missing: str, on_event: OnEvent
) -> None:
    """Tell of classes that some sources lack, of names that are nearly the same, of splits."""
    own = [set(part.class_names().values()) for part in parts]
    for group in alike_names(set().union(*own)):
        words = f'to make them one, give classes "{",".join(f"{n}={group[0]}" for n in group[1:])}"'
        on_event(Notice(text=printable(f"{', '.join(group)} are classes of their own; {words}")))
    for source, part, names in zip(sources, parts, own, strict=True):
        if lacking := sorted(_shown(parts) - names):
            words = {
                "unknown": "so its photos are marked as labelled with its other classes only",
                "background": "so its photos count as showing none",
            }[missing]
            text = f"{source}: does not label {some(lacking)}, {words}"
            on_event(Notice(text=printable(text)))
        if not part.splits and any(other.splits for other in parts):
            text = (
                f"{source}: has no splits, unlike others, so its photos are in none; draw new ones"
            )
            on_event(Warned(text=printable(f"{text} for all with instseg split --again")))


def _shown(parts: Sequence[Labels]) -> set[str]:
    """The classes that have objects."""
    return {
        name
        for part in parts
        for names in [part.class_names()]
        for name in {names[each["category_id"]] for each in part.annotations}
    }


def _joined(
    titles: Sequence[str], parts: Sequence[Labels], on_event: OnEvent
) -> tuple[Labels, list[int]]:
    """The labels of all, no two photos of one name, and the source of each image."""
    try:
        labels = joined(parts, [""] * len(parts))
    except ValueError as error:
        raise InputError(f"the photos have no folder in common ({error}); copy them") from error
    source_of = [number for number, part in enumerate(parts) for _ in part.images]
    there = _found(labels, parts, source_of)
    names = [image["file_name"] for image in labels.images]
    first = {name: n for name, n, known in zip(names, source_of, there, strict=True) if known}
    images, clashes = [], []
    for image, name, number, known in zip(labels.images, names, source_of, there, strict=True):
        if not known and first.setdefault(name, number) != number:
            clashes.append(name)
            image = {**image, "file_name": f"{titles[number]}/{name}"}
        images.append(image)
    if clashes:
        text = f"{count(len(clashes), 'photo')} of different datasets with the same names, such as "
        text += f"{clashes[0]}, not found to compare: renamed after their datasets; check images"
        on_event(Warned(text=printable(text)))
    photos = labels.photos
    if photos is not None and photos.is_relative_to(Path.cwd()):
        photos = photos.relative_to(Path.cwd())
    return replace(labels, document={**labels.document, "images": images}, photos=photos), source_of


def _found(labels: Labels, parts: Sequence[Labels], source_of: Sequence[int]) -> list[bool]:
    """Whether the name of each image leads to a photo; looked up only where names are equal."""
    of_name = Counter(image["file_name"] for image in labels.images)
    return [
        labels.photos is not None
        and parts[number].photos is not None
        and (of_name[image["file_name"]] == 1 or (labels.photos / image["file_name"]).is_file())
        for image, number in zip(labels.images, source_of, strict=True)
    ]


def _same_photos(
    labels: Labels, source_of: Sequence[int], *, look: bool, on_event: OnEvent
) -> list[tuple[int, int]]:
    """Places of images whose photo an earlier source has, and of the image there."""
    first: dict[str, int] = {}
    names = [image["file_name"] for image in labels.images]
    found = {at: first.setdefault(name, at) for at, name in enumerate(names)}
    if look:
        same, alike = copies(facts_of(labels, on_event))
        found |= dict(same)
        near = [pair for pair in alike if source_of[pair[0]] != source_of[pair[1]]]
        if near:
            one, other = (names[place] for place in near[0])
            text = f"{count(len(near), 'pair')} of photos of different datasets that look alike, "
            on_event(Notice(text=printable(f"{text}such as {one} and {other}: both kept")))
    return [(at, early) for at, early in found.items() if source_of[at] != source_of[early]]


def _words_of_same(labels: Labels, same: Sequence[tuple[int, int]], left_out: int) -> str:
    one, other = (labels.images[place]["file_name"] for place in same[0])
    words = f"{count(len(same), 'photo')} that an earlier dataset has, such as {one}, which is "
    return printable(
        f"{words}{other}: kept once; left out {count(left_out, 'object')} of classes "
        "that it labels there"
    )


def _objects(labels: Labels) -> dict[str, int]:
    names = labels.class_names()
    objects = dict.fromkeys(names.values(), 0)
    for each in labels.annotations:
        objects[names[each["category_id"]]] += not each.get("iscrowd")
    return objects
