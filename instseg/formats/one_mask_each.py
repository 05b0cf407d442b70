"""A folder for each photo, with a mask for each object, as of the Data Science Bowl 2018."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from instseg.core.errors import InputError
from instseg.core.events import told
from instseg.files.near_names import files_under
from instseg.files.photo_header import photo_size
from instseg.files.stored_values import read_stored
from instseg.formats.format import Reading
from instseg.formats.labels import Builder
from instseg.formats.mask_layout import is_converted, numbers_of
from instseg.formats.painting import regions
from instseg.formats.photo_index import is_photo, stem_of
from instseg.formats.splits import split_in


@dataclass(kw_only=True)
class Group:
    """A photo with the masks of its objects; relative to the dataset."""

    photos: list[str] = field(default_factory=list)
    masks: list[str] = field(default_factory=list)

    def is_whole(self, folder: str) -> bool:
        """Whether it is one photo with masks of other names, or with the name of its folder."""
        if len(self.photos) != 1:
            return False
        stem = PurePosixPath(stem_of(self.photos[0])).name
        others = all(PurePosixPath(stem_of(mask)).name != stem for mask in self.masks)
        return stem == PurePosixPath(folder).name or (bool(self.masks) and others)


def groups_of(root: Path) -> dict[str, Group]:
    """The photos that have folders of their own: images/ with one photo, and masks/."""
    found: dict[str, Group] = {}
    if is_converted(root):
        return found
    for file in files_under(root):
        path = PurePosixPath(file)
        if is_photo(file) and not path.name.startswith("."):
            group = found.setdefault(path.parent.parent.as_posix(), Group())
            kinds = {"images": group.photos, "masks": group.masks}
            kinds.get(path.parent.name.lower(), []).append(file)
    whole = {folder: group for folder, group in found.items() if group.is_whole(folder)}
    return whole if any(group.masks for group in whole.values()) else {}


def read_groups(
    root: Path, groups: dict[str, Group], builder: Builder, name: str, reading: Reading
) -> None:
    """Add all photos and objects, which are of one class."""
    builder.photos = root
    builder.category(name)
    for folder, group in told(list(groups.items()), reading.on_event, "reading masks"):
        size = photo_size(root, group.photos[0])
        if size is None:
            builder.note("photos that cannot be read: left out with their masks", group.photos[0])
            continue
        split = split_in(PurePosixPath(folder).parent.as_posix())
        image = builder.image(group.photos[0], size, split=split)
        for mask in group.masks:
            try:
                numbers = numbers_of(read_stored(root / mask))
            except InputError as error:
                builder.note("masks that cannot be read: left out", error)
                continue
            if numbers.shape != size[::-1]:
                builder.note("masks of another size than their photo: left out", mask)
                continue
            whole = regions((numbers > 0).astype(np.int32)).get(1)
            if whole is None:
                builder.note("masks without pixels: left out", mask)
                continue
            builder.annotation(image, builder.category(name), **whole.record(size[::-1]))
