"""Where COCO's tools put their files: the JSON, and the photos that it names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from instseg.files.coco_json import leads_out
from instseg.formats.format import LOOKED_AT
from instseg.formats.splits import split_in

_TRIED = 20  # names of photos


def coco_files(path: Path, is_wanted: Callable[[Path], bool]) -> list[Path]:
    """A file if it is wanted, or JSON files of a folder, some of which are; train first.

    Args:
        path: The file or folder.
        is_wanted: Whether a file is of a format.

    Returns:
        Those of the folder itself, else those in `annotations`, else those in all its folders.
    """
    if path.is_file():
        return [path] if path.suffix.lower() == ".json" and is_wanted(path) else []
    order = ("train", "val", "test", "")
    for pattern in ("*.json", "annotations/*.json", "*/*.json"):
        files = [file for file in path.glob(pattern) if not file.name.startswith(".")]
        of_coco = [file for file in files if file.name.startswith(("instances", "panoptic"))]
        files = of_coco or files  # beside which COCO has captions and keypoints of the same photos
        files.sort(key=lambda file: (order.index(split_of(path, file)), file.as_posix()))
        if any(map(is_wanted, files[:LOOKED_AT])):
            return files
    return []


def split_of(root: Path, file: Path) -> str:
    """The split of a file: that of its name, else of its folder within `root`, or ""."""
    if file == root:
        return ""
    return split_in(file.stem) or split_in(file.parent.relative_to(root).as_posix())


def photos_of(file: Path, names: Sequence[str], images: Path | None) -> Path | None:
    """The folder of the photos that a COCO file names; None if there is none.

    Looked for where COCO itself, Roboflow and CVAT have it, within two folders of the file.

    Args:
        file: The JSON.
        names: Names of photos in it.
        images: The folder that the user gave.
    """
    if images is not None:
        candidates = [images, images / file.stem, images / file.parent.name]
        split = split_in(file.stem) or split_in(file.parent.name)
        candidates += sorted(images.glob(f"{split}*")) if split else []
    else:
        near, above = file.parent, file.parent.parent
        candidates = [near, near / "images", near / file.stem.removeprefix("instances_")]
        candidates += [above / file.stem.removeprefix("instances_"), above / "images", above]
        candidates += [folder / "images" / file.stem for folder in (near, above)]
        if split := split_in(file.stem):
            candidates += [above / "images" / split, near / split, above / split]
            candidates += [above / file.stem.removeprefix("instances_").removeprefix("panoptic_")]
    tried = [name for name in names[:_TRIED] if not leads_out(name)]
    counts = {
        folder: sum((folder / name).is_file() for name in tried)
        for folder in dict.fromkeys(candidates)
    }
    best = max(counts, key=lambda folder: counts[folder])
    return best if counts[best] else images
