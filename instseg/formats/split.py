"""`split`: a dataset into train, val and test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import Notice, OnEvent, Warned
from instseg.core.html_table import html_table
from instseg.core.options import takes
from instseg.core.shuffled import shuffled
from instseg.core.wording import count, printable, some
from instseg.doctor.findings import Finding
from instseg.formats.certain import certain
from instseg.formats.convert import CLASSES, check_free, read_labels, tell_losses, write_labels
from instseg.formats.format import Writing
from instseg.formats.groups import copies_in, joined_groups, keys_of
from instseg.formats.labels import Labels, Record
from instseg.formats.registry import format_of
from instseg.formats.split_options import SplitOptions
from instseg.formats.stratify import Label, stratified

_LEVEL = 3  # a class's photos with 1, 3, 9, ... objects or more are labels of their own


@dataclass(frozen=True, kw_only=True, repr=False)
class DatasetSplit:
    """A dataset that was split.

    Attributes:
        path: The folder that was written.
        classes_csv: The table of classes: id and name in the source, and id in the result.
        source_format: The format that was read.
        format: The format that was written.
        photos: The folder that the file names are relative to; None if the photos were not found.
            With `copy_photos`, the copies are in `path`.
        images: Number of photos in each split.
        objects: Number of objects of each class in each split, without crowds.
        together: Number of photos that stayed with another one: copies, and photos of a group.
        notes: All that cannot be kept, one line each.
        findings: What the doctor's quick check finds in the labels.
    """

    path: Path
    classes_csv: Path
    source_format: str
    format: str
    photos: Path | None
    images: Mapping[str, int]
    objects: Mapping[str, Mapping[str, int]]
    together: int
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]

    def __repr__(self) -> str:
        return f"DatasetSplit({str(self.path)!r}: {self.summary()})"

    def summary(self) -> str:
        """`train 8 images, val 1 image, test 1 image; 2 classes`."""
        parts = [f"{split} {count(number, 'image')}" for split, number in self.images.items()]
        return f"{', '.join(parts)}; {count(len(self.objects), 'class')}"

    def rows(self) -> list[tuple[str, ...]]:
        """A table: each class that has objects, and how many in each split; last, the photos."""
        classes = [
            (name, *(f"{own[split]:,}" for split in self.images))
            for name, own in self.objects.items()
            if any(own.values())
        ]
        return [*classes, ("photos", *(f"{number:,}" for number in self.images.values()))]

    def _repr_html_(self) -> str:
        """The table, for notebooks."""
        return html_table(("objects of", *self.images), self.rows(), caption=repr(self))


@takes(SplitOptions)
def split(options: SplitOptions) -> DatasetSplit:
    """Split a dataset into train, val and test.

    The same photos, labels and options give the same splits, in whatever order the files have
    them.

    Raises:
        InputError: The source has no known format, is broken, or has splits and `again` is not
            given; there are no groups; or `out` exists already.
    """
    source, out = Path(options.source), Path(options.out)
    target = format_of(options.to)
    if target.file and out.suffix.lower() == Path(target.file).suffix:
        raise InputError(f"{out}: the splits are several files; name a folder")
    check_free(out, target)
    labels, read_as = read_labels(source, options.images, on_event=options.on_event)
    labels = certain(labels, read_as, source, options.on_event)
    if len(labels.images) < 2:
        raise InputError(f"{source}: has {count(len(labels.images), 'photo')}, nothing to split")
    if not options.again:
        _check_unsplit(labels, source)
    keys = keys_of(
        labels.images,
        options.by,
        field=options.group_field,
        pattern=options.group_pattern,
        on_event=options.on_event,
    )
    groups = _groups(labels, keys, copies=options.copies, on_event=options.on_event)
    labels = _drawn(labels, groups, options.shares, options.seed)
    images, objects = _counts(labels, options.shares)
    _tell_lacking(images, objects, options.on_event)
    notes, findings = tell_losses(labels, target, source, options.on_event)
    writing = Writing(copy_photos=options.copy_photos, on_event=options.on_event)
    write_labels(labels, out, target, writing)
    return DatasetSplit(
        path=out,
        classes_csv=out / CLASSES,
        source_format=read_as.name,
        format=target.name,
        photos=labels.photos,
        images=images,
        objects=objects,
        together=sum(len(group) for group in groups if len(group) > 1),
        notes=notes,
        findings=findings,
    )


def _check_unsplit(labels: Labels, source: Path) -> None:
    found = Counter(str(image.get("split") or "none") for image in labels.images)
    if len(found) > 1:
        words = ", ".join(f"{name} {count(number, 'photo')}" for name, number in found.items())
        raise ArgumentError(
            f"{source}: is split already ({words}); give one part, or mix them with {{again}}"
        )


def _groups(
    labels: Labels, keys: Sequence[Hashable], *, copies: bool, on_event: OnEvent
) -> list[list[int]]:
    """The places of images that stay together; those of one file always do."""
    first: dict[str, int] = {}
    pairs = [(first.setdefault(i["file_name"], at), at) for at, i in enumerate(labels.images)]
    if copies:
        pairs += copies_in(labels, on_event)
    return joined_groups(keys, pairs)


def _drawn(
    labels: Labels, groups: Sequence[Sequence[int]], shares: Mapping[str, float], seed: int
) -> Labels:
    """The labels with the split of each image."""
    images, names, objects = labels.images, labels.class_names(), labels.by_image()
    by_name = {min(images[place]["file_name"] for place in group): group for group in groups}
    drawn = [by_name[name] for name in shuffled(by_name, seed)]
    strata = []
    for group in drawn:
        strata.append(Counter[Label]())
        for place in group:
            own = Counter(
                names[each["category_id"]] for each in _counted(objects[images[place]["id"]])
            )
            strata[-1].update([("", 1), *_levels(own)])
    placed = stratified(strata, [*shares.values()], seed)
    marked = [dict(image) for image in images]
    for group, split_number in zip(drawn, placed.tolist(), strict=True):
        for place in group:
            marked[place]["split"] = [*shares][split_number]
    return replace(labels, document={**labels.document, "images": marked})


def _levels(objects: Mapping[str, int]) -> Iterator[Label]:
    for name, number in objects.items():
        level = 1
        while level <= number:
            yield name, level
            level *= _LEVEL


def _counted(annotations: Iterable[Record]) -> list[Record]:
    return [each for each in annotations if not each.get("iscrowd")]


def _counts(
    labels: Labels, splits: Iterable[str]
) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """The photos of each split, and the objects of each class in each split."""
    split_of = {image["id"]: image["split"] for image in labels.images}
    photos, names = Counter(split_of.values()), labels.class_names()
    found = Counter(
        (names[each["category_id"]], split_of[each["image_id"]])
        for each in _counted(labels.annotations)
    )
    objects = {name: {each: found[name, each] for each in splits} for name in names.values()}
    return {each: photos[each] for each in splits}, objects


def _tell_lacking(
    images: Mapping[str, int], objects: Mapping[str, Mapping[str, int]], on_event: OnEvent
) -> None:
    """Tell of splits without photos, and of classes that a split has not."""
    for each, photos in images.items():
        lacking = [name for name, own in objects.items() if any(own.values()) and not own[each]]
        if not photos:
            text = "there are too few photos or groups, as train keeps a photo of each class"
            on_event(Warned(text=f"{each} has no photo: {text}"))
        elif lacking:
            words = f"{each} has no objects of {count(len(lacking), 'class')}"
            on_event(Notice(text=printable(f"{words}, which too few photos show: {some(lacking)}")))
