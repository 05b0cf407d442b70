"""Files in the folder of a run with which it can be resumed from anywhere."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec

from instseg.core.errors import ArgumentError, InputError
from instseg.files.coco_json import read_form
from instseg.system.atomic import replacing

OPTIONS_FILE = "options.json"
CHECKPOINT_FILE = "checkpoint.pt"
BEST_FILE = "best.safetensors"
START_FILE = "start.safetensors"  # file of a model that was given as an object
VERBS = ("finetune", "train_unet")
UNLABELLED_FILE = "unlabelled.json"
CATEGORIES = "categories"  # of the dataset, beside the options
PATHS = ("coco_json", "images", "data", "masks", "val_coco_json", "val_images", "val_masks", "out")
TOLD = (*PATHS, "weights", "unlabelled")  # paths in the model file, without their folders


class _Categories(msgspec.Struct):
    categories: list[dict[str, Any]]


def _categories_of(options: Mapping[str, Any]) -> dict[str, str] | None:
    """The class names by id, as the dataset has them; None without a dataset in COCO format."""
    path = options.get("coco_json")
    if not isinstance(path, str | Path):
        return None
    try:
        found = read_form(Path(path), _Categories).categories
    except (InputError, ValueError):  # training tells it better
        return None
    return {str(each.get("id")): str(each.get("name")) for each in found}


def refuse_stopped_run(folder: Path) -> None:
    """Raise ArgumentError if another run was stopped in this folder, because it would be lost."""
    stopped = folder / CHECKPOINT_FILE
    if stopped.exists():
        raise ArgumentError(
            f"{stopped}: is of a run that was stopped; continue it with {{resume}} {folder}, "
            "choose another {out}, or remove it"
        )


def kept_options(folder: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options as JSON, and the dataset's categories.

    Paths become absolute. A model and datasets that were given as objects are written to the
    folder, and replaced by their paths.
    """
    kept = dict(given)
    for part, images in (("coco_json", "images"), ("val_coco_json", "val_images")):
        data = kept[part]
        if data is not None and not isinstance(data, str | Path):
            kept |= {part: folder / f"given_{part}", images: data.folder}
            with replacing(kept[part]) as temporary:
                temporary.write_bytes(msgspec.json.encode(data.dataset))
    weights = kept["weights"]
    if weights is not None and not isinstance(weights, str | Path):
        weights.save(folder / START_FILE)
        kept["weights"] = folder / START_FILE
    for name in (*PATHS, "weights"):
        path = kept.get(name)
        if path is not None and (name != "weights" or Path(path).is_file()):
            kept[name] = str(Path(path).absolute())
    return {**kept, CATEGORIES: _categories_of(kept)}


def write_options(folder: Path, verb: str, kept: Mapping[str, Any], *, ended: bool) -> None:
    """Store the options of a run for resuming, or that it has ended."""
    document = {"command": verb, **kept, "ended": ended}
    with replacing(folder / OPTIONS_FILE) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(document, enc_hook=str)))


def read_options(folder: Path, verb: str, names: Collection[str]) -> dict[str, Any]:
    """The options of the run in a folder, as `write_options` stored them.

    Args:
        folder: Folder of the run.
        verb: The function that resumes it.
        names: Names of all its options.

    Raises:
        InputError: There are none, or they are damaged or of another version of the program or
            another verb, or the run has ended, or its dataset has other classes now.
    """
    path = folder / OPTIONS_FILE
    try:
        options = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        raise InputError(f"{path}: no run to resume: no such file; check the folder") from None
    except (OSError, UnicodeError, RecursionError, msgspec.MsgspecError) as error:
        raise InputError(f"{path}: no run to resume ({error}); start it again") from error
    command, ended = options.pop("command", None), options.pop("ended", False)
    categories = options.pop(CATEGORIES, None)
    if command in VERBS and command != verb:
        raise InputError(f"{path}: is of a run of another command; resume it with that command")
    if command != verb or options.keys() != set(names):
        raise InputError(
            f"{path}: is of a run of another version of instseg; resume it with that version, "
            "or start the run again"
        )
    if ended:
        drop_resume_files(folder)  # a process killed at the end may have left them
        best = folder / BEST_FILE
        raise InputError(f"{best}: the run has ended, with this model file; start another for more")
    if categories is not None and categories != (_categories_of(options) or categories):
        raise InputError(
            f"{options['coco_json']}: has other classes, or other ids of them, than when the run "
            "began; restore the file, or start the run again"
        )
    return options


def drop_resume_files(folder: Path) -> None:
    """Remove the files that are only needed to resume."""
    for name in (CHECKPOINT_FILE, START_FILE, "given_coco_json", "given_val_coco_json"):
        (folder / name).unlink(missing_ok=True)


def provenance_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options for the model file: file names without folders."""
    told = {}
    for name, value in given.items():
        if name in ("out", "resume"):
            continue
        told[name] = value
        if isinstance(value, Path) or (name in TOLD and isinstance(value, str)):
            told[name] = Path(value).name
        elif name == "unlabelled" and isinstance(value, list):
            told[name] = [Path(each).name for each in value]
        elif name in ("coco_json", "val_coco_json") and value is not None:
            told[name] = value.coco_json.name
        elif name == "weights" and value is not None and not isinstance(value, str):
            told[name] = f"a {value.card.architecture} in memory"
    return told
