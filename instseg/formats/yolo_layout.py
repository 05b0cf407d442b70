"""Where YOLO's tools put photos, labels and names: Ultralytics, Roboflow, Darknet and CVAT."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml  # type: ignore[import-untyped]

from instseg.core.errors import ArgumentError, InputError
from instseg.files.listing import IMAGE_SUFFIXES
from instseg.files.near_names import files_under
from instseg.formats.photo_names import inside
from instseg.formats.splits import split_in
from instseg.system.regular import require_regular_file

_SPLIT_KEYS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_NO_LABELS = ("classes.txt", "obj.names", "readme", "train.txt", "val.txt", "test.txt", "valid.txt")
_LARGEST_YAML = 10_000_000  # bytes
_LOOKED_AT = 20  # label files, to recognise the format


@dataclass(kw_only=True)
class Layout:
    """A dataset of YOLO on the disk.

    Attributes:
        root: The folder.
        names: Names by class number; empty if there are none.
        photos: The folder that photos are relative to.
        splits: The photos of each split, "" without splits: names relative to `photos`.
        labels: The label file, relative to `root`, of each photo that has one.
        lonely: Label files without a photo.
        keypoints: Numbers of keypoints that follow each box.
    """

    root: Path
    names: dict[int, str] = field(default_factory=dict)
    photos: Path
    splits: dict[str, list[str]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    lonely: list[str] = field(default_factory=list)
    keypoints: int = 0


def looks_like_yolo(path: Path) -> tuple[bool, bool]:
    """Whether a file or folder is YOLO's, and whether its first labels have polygons."""
    try:
        root, config = _config(path)
        files = files_under(root) if path.is_dir() or config else []
        labels = _of_photos(_label_files(root, files, files), files)
    except (InputError, OSError):
        return (path / "data.yaml").is_file(), False  # reading it tells what is wrong
    lines = [line.split() for label in labels[:_LOOKED_AT] for line in _head(root / label)]
    return bool(config or lines), any(map(_is_polygon, lines))


def layout_of(path: Path, images: Path | None) -> Layout:
    """Find all that belongs to a dataset.

    Args:
        path: data.yaml, obj.data, or the folder.
        images: Folder of the photos, if they are not beside the labels.

    Raises:
        InputError: There are no photos, or a file cannot be read.
    """
    root, config = _config(path)
    files = files_under(root)
    found = Layout(root=root, names=_names(root, config), photos=images or root)
    shape = config.get("kpt_shape")
    if isinstance(shape, list) and len(shape) == 2 and all(type(n) is int for n in shape):
        found.keypoints = shape[0] * shape[1]
    labels = _label_files(root, files, files if images is None else files_under(images))
    if images is not None:
        _match_elsewhere(found, images, labels)
    else:
        found.splits = _listed(root, config, files) or _by_folder(files)
        _match(found, labels)
    if not any(found.splits.values()):
        raise ArgumentError(
            f"{path}: no photos found, whose sizes are needed; give their folder as {{images}}"
        )
    return found


def _config(path: Path) -> tuple[Path, dict[str, Any]]:
    """The folder of a dataset, and what its data.yaml or obj.data says."""
    if path.is_file():
        return path.parent, _read_config(path)
    candidates = [path / "data.yaml", path / "dataset.yaml", *sorted(path.glob("*.y*ml"))]
    candidates += [path / "obj.data", *sorted(path.glob("*.data"))]
    for file in candidates:
        if file.is_file() and (config := _read_config(file, strict=file.name == "data.yaml")):
            return path, config
    return path, {}


def _read_config(file: Path, *, strict: bool = True) -> dict[str, Any]:
    """What a data.yaml or obj.data says; {} for another file."""
    require_regular_file(file)
    try:
        if file.stat().st_size > _LARGEST_YAML:
            raise ValueError("it is too large")
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix.lower() == ".data":  # Darknet: `key = value` lines
            pairs = [line.partition("=") for line in text.splitlines() if "=" in line]
            return {key.strip(): value.strip() for key, _, value in pairs}
        config = yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        if not strict:
            return {}
        words = " ".join(str(error).split())
        raise InputError(f"{file}: not readable as YAML ({words}); export it again") from error
    is_yolo = isinstance(config, dict) and config.keys() & {"names", "nc"}
    return config if is_yolo and config.keys() & {*_SPLIT_KEYS, "path", "names"} else {}


def _names(root: Path, config: Mapping[str, Any]) -> dict[int, str]:
    """Names by class number, of data.yaml, obj.names or classes.txt; an empty one is left out."""
    named = _given_names(root, config)
    return {number: name for number, name in named.items() if name.strip()}


def _given_names(root: Path, config: Mapping[str, Any]) -> dict[int, str]:
    names = config.get("names")
    if isinstance(names, list):
        return dict(enumerate(map(str, names)))
    if isinstance(names, dict):
        numbered = {str(key).strip(): str(name) for key, name in names.items()}
        return {int(key): name for key, name in numbered.items() if key.isdecimal()}
    files = [inside(root, names)] if isinstance(names, str) else []
    files += [root / "obj.names", *sorted(root.glob("*.names"))]
    files += [
        folder / "classes.txt" for folder in (root, root / "labels", *sorted(root.glob("*/")))
    ]
    for file in files:
        if file is not None and file.is_file():
            require_regular_file(file)
            text = file.read_bytes().decode("utf-8-sig", "replace")
            lines = [line.strip() for line in text.splitlines()]
            while lines and not lines[-1]:
                lines.pop()
            return dict(enumerate(lines))
    return {}


def _listed(root: Path, config: Mapping[str, Any], files: Iterable[str]) -> dict[str, list[str]]:
    """The photos of each split of a data.yaml or obj.data."""
    base = config.get("path")
    start = inside(root, base) if isinstance(base, str) and base.strip() else root
    start = start if start is not None and start.is_dir() else root
    photos = [file for file in files if _is_photo(file)]
    found: dict[str, list[str]] = {}
    for key, split in _SPLIT_KEYS.items():
        entries = config.get(key)
        for entry in entries if isinstance(entries, list) else [entries]:
            if isinstance(entry, str) and entry.strip():
                place = inside(start, entry) or inside(root, entry)
                found.setdefault(split, []).extend(_photos_at(root, place, photos))
    taken: set[str] = set()
    for split, names in found.items():  # a photo in two splits is of the first
        found[split] = [name for name in dict.fromkeys(names) if name not in taken]
        taken.update(names)
    return {split: names for split, names in found.items() if names}


def _photos_at(root: Path, place: Path | None, photos: list[str]) -> list[str]:
    """The photos of a folder, or those that a .txt file lists, relative to `root`."""
    if place is None or not place.exists():
        return []
    if place.is_dir():
        prefix = os.path.relpath(place, root).replace(os.sep, "/")
        return photos if prefix == "." else [p for p in photos if p.startswith(f"{prefix}/")]
    require_regular_file(place)
    known = set(photos)
    names = []
    for line in place.read_bytes().decode("utf-8-sig", "replace").splitlines():
        if line.strip():
            path = inside(place.parent, line) or inside(root, line)
            if path is None or not path.exists():
                path = inside(root, line)
            name = os.path.relpath(path, root).replace(os.sep, "/") if path else ""
            names.append(name)
    return [name for name in names if name in known]


def _by_folder(files: Iterable[str]) -> dict[str, list[str]]:
    """All photos, by the splits that their folders name."""
    found: dict[str, list[str]] = {}
    for file in files:
        if _is_photo(file):
            found.setdefault(split_in(PurePosixPath(file).parent.as_posix()), []).append(file)
    return found


def _match(layout: Layout, labels: list[str]) -> None:
    """Find the label file of each photo: in labels/ for images/, or beside it."""
    by_key = {_key(label): label for label in labels}
    used = set()
    for name in (name for names in layout.splits.values() for name in names):
        for key in _label_keys(name):
            if key in by_key:
                layout.labels[name] = by_key[key]
                used.add(by_key[key])
                break
    layout.lonely = [label for label in labels if label not in used]


def _match_elsewhere(layout: Layout, images: Path, labels: list[str]) -> None:
    """Find the label file of each photo of another folder: by its path, else by its name."""
    photos = [file for file in files_under(images) if _is_photo(file)]
    by_path = {_key(photo): photo for photo in photos}
    by_name = {PurePosixPath(_key(photo)).name: photo for photo in photos}
    split_of = {}
    for label in labels:
        key = _key(label)
        tail = key.replace("labels/", "", 1) if key.startswith("labels/") else key
        photo = by_path.get(tail) or by_path.get(key) or by_name.get(PurePosixPath(key).name)
        if photo is None or photo in layout.labels:
            layout.lonely.append(label)
            continue
        layout.labels[photo] = label
        split_of[photo] = split_in(PurePosixPath(label).parent.as_posix())
    for photo in photos:
        split = split_of.get(photo, split_in(PurePosixPath(photo).parent.as_posix()))
        layout.splits.setdefault(split, []).append(photo)


def _label_keys(photo: str) -> list[str]:
    """Where the label of a photo may be, without suffix, the usual place first."""
    key = _key(photo)
    before, found, after = f"/{key}".rpartition("/images/")
    there = [f"{before}/labels/{after}".lstrip("/")] if found else []
    folder, _, name = key.rpartition("/")
    return [*there, key, f"{folder}/labels/{name}".lstrip("/"), f"labels/{key}"]


def _key(file: str) -> str:
    return PurePosixPath(file).with_suffix("").as_posix()


def _is_photo(file: str) -> bool:
    return file.lower().endswith(IMAGE_SUFFIXES)


def _label_files(root: Path, files: Iterable[str], others: Iterable[str]) -> list[str]:
    """The .txt files that hold labels, by their names and, outside of labels/, their content.

    Names such as test.txt are those of lists, unless one of the other files is a photo test.jpg.
    """
    stems = {PurePosixPath(file).stem for file in others if _is_photo(file)}
    found = []
    for file in files:
        path = PurePosixPath(file)
        name = path.name.lower()
        is_other = name.startswith(_NO_LABELS) and path.stem not in stems
        if not name.endswith(".txt") or is_other:
            continue
        if "labels" in path.parts or _is_label(root / file):
            found.append(file)
    return found


def _of_photos(labels: list[str], files: Iterable[str]) -> list[str]:
    """The label files of which there is a photo, or that are in labels/; all without photos."""
    keys = {PurePosixPath(_key(file)).name for file in files if _is_photo(file)}
    return [
        label
        for label in labels
        if not keys or PurePosixPath(label).stem in keys or "labels" in PurePosixPath(label).parts
    ]


def _is_label(file: Path) -> bool:
    """Whether the first line of a file is an object; also whether the file is empty."""
    lines = _head(file)
    if not lines:
        return True
    words = lines[0].split()
    try:
        return len([float(word) for word in words]) > 4
    except ValueError:
        return False


def _is_polygon(words: list[str]) -> bool:
    """Whether a line has points, and is no box with a score and a track."""
    return len(words) > 7 or (len(words) == 7 and not words[-1].isdecimal())


def _head(file: Path) -> list[str]:
    try:
        with file.open("rb") as stream:
            text = stream.read(100_000).decode("utf-8-sig", "replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()]
