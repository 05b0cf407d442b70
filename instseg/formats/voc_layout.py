"""Where Pascal VOC, Roboflow, LabelImg, CVAT and datumaro put XML files, masks and photos."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from instseg.files.near_names import files_under
from instseg.formats.photo_index import PhotoIndex, is_photo, stem_of
from instseg.formats.splits import split_in
from instseg.system.regular import require_regular_file

_PHOTO_FOLDERS = ("JPEGImages", "images", "Images")
_MASK_FOLDERS = ("SegmentationObject", "SegmentationClass")
_LISTS = ("Segmentation", "Main")  # the first that has one counts


@dataclass(kw_only=True)
class Item:
    """All that belongs to a photo; files are relative to the dataset.

    Attributes:
        root: The folder of the dataset of VOC; "" for the whole.
        key: The photo's name within it, without suffix.
        xml: The XML file, or "".
        objects: The PNG of the numbers of objects, or "".
        classes: The PNG of classes, or "".
        split: Or "".
    """

    root: str
    key: str
    xml: str = ""
    objects: str = ""
    classes: str = ""
    split: str = ""

    def photo(self, index: PhotoIndex, filename: str) -> str | None:
        """The file of the photo: named like the labels, else as the XML says."""
        folders = [*(_joined(self.root, each) for each in _PHOTO_FOLDERS), self.root]
        paths = [_joined(folder, self.key) for folder in folders]
        return index.find(paths, [PurePosixPath(self.key).name, filename])


@dataclass(kw_only=True)
class Layout:
    """A dataset of VOC on the disk.

    Attributes:
        root: The folder.
        items: By root and key.
        photos: What is left: photos, or files of other tools.
        only_classes: PNG files of classes without those of objects.
    """

    root: Path
    items: dict[tuple[str, str], Item] = field(default_factory=dict)
    photos: list[str] = field(default_factory=list)
    only_classes: list[str] = field(default_factory=list)


def layout_of(path: Path) -> Layout:
    """Find all that belongs to a dataset, given by its folder, or one of its XML files."""
    found = Layout(root=path if path.is_dir() else path.parent)
    files = files_under(found.root)
    lists: dict[tuple[str, str], list[str]] = {}
    classes: dict[tuple[str, str], str] = {}
    for file in files:
        place = PurePosixPath(file)
        suffix = place.suffix.lower()
        if place.name.startswith("."):
            continue
        if suffix == ".xml" and (path.is_dir() or found.root / file == path):
            _item(found, _within(place, ("Annotations", "annotations"))).xml = file
        elif suffix == ".png" and "SegmentationObject" in place.parts:
            _item(found, _within(place, _MASK_FOLDERS)).objects = file
        elif suffix == ".png" and "SegmentationClass" in place.parts:
            classes[_within(place, _MASK_FOLDERS)] = file
        elif suffix == ".txt" and place.parent.parent.name == "ImageSets":
            root = place.parent.parent.parent.as_posix()
            lists.setdefault((root.removeprefix("."), place.parent.name), []).append(file)
        elif is_photo(file):
            found.photos.append(file)
    for key, file in classes.items():
        if key in found.items and found.items[key].objects:
            found.items[key].classes = file
        else:
            found.only_classes.append(file)
    _mark_splits(found, lists)
    return found


def _item(layout: Layout, place: tuple[str, str]) -> Item:
    return layout.items.setdefault(place, Item(root=place[0], key=place[1]))


def _within(file: PurePosixPath, folders: Iterable[str]) -> tuple[str, str]:
    """The dataset's folder and the name in it, without suffix, of a file in one of its folders."""
    parts = file.with_suffix("").parts
    for folder in folders:
        if folder in parts[:-1]:
            at = parts.index(folder)
            return "/".join(parts[:at]), "/".join(parts[at + 1 :])
    return "/".join(parts[:-1]), parts[-1]


def _mark_splits(layout: Layout, lists: dict[tuple[str, str], list[str]]) -> None:
    """Mark the splits of ImageSets, else those that the folders of XML files name."""
    listed: dict[tuple[str, str], str] = {}
    roots_listed = set()
    for kind in _LISTS:
        for root in dict.fromkeys(item.root for item in layout.items.values()):
            if root in roots_listed:
                continue
            for file in lists.get((root, kind), []):
                stem = PurePosixPath(file).stem
                if split := split_in(stem) if _is_split(stem) else "":
                    known = layout.items.keys()
                    for key in _names(layout.root / file, root, known):
                        listed.setdefault((root, key), split)
                        roots_listed.add(root)
    for place, item in layout.items.items():
        folder = PurePosixPath(item.xml or item.objects).parent.as_posix()
        item.split = listed.get(place, "") if item.root in roots_listed else split_in(folder)


def _is_split(stem: str) -> bool:
    """Whether a list is of a split, not of a class in it, such as `cat_train`."""
    return not any(part and not split_in(part) and part.isalpha() for part in stem.split("_"))


def _names(file: Path, root: str, known: Iterable[tuple[str, str]]) -> list[str]:
    """The photos of a list, each as one of the known keys."""
    require_regular_file(file)
    keys = {key for own, key in known if own == root}
    found = []
    for line in file.read_bytes().decode("utf-8-sig", "replace").splitlines():
        text = line.strip()
        quoted = text.split('"')[1] if text.count('"') == 2 else ""
        words = text.split()
        for name in (text, quoted, words[0] if words else ""):
            key = name if name in keys else stem_of(name) if is_photo(name) else ""
            if key in keys:
                found.append(key)
                break
    return found


def _joined(*parts: str) -> str:
    return "/".join(part for part in parts if part)
