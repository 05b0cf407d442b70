"""Training data of any format, as COCO files in the folder of the run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from instseg.core.events import OnEvent
from instseg.data.any_format import FOR_TRAINING, read_dataset
from instseg.training.finetune_options import FinetuneOptions
from instseg.training.unet_options import TrainUnetOptions

AnyOptions = TypeVar("AnyOptions", FinetuneOptions, TrainUnetOptions)


def with_data(options: AnyOptions, on_event: OnEvent) -> AnyOptions:
    """The options, with `coco_json` and `val_coco_json` in place of `data`.

    The splits become data_train.json and data_val.json. The split val is the validation data, if
    there is no other.

    Raises:
        InputError: The data cannot be read, or the options do not go with it.
    """
    if options.data is None:
        return options
    things = isinstance(options, FinetuneOptions)
    found = read_dataset(options.data, options.images, things=things, on_event=on_event)
    train = found.first_of(FOR_TRAINING, on_event, "trains on")
    values: dict[str, Any] = {
        "data": None,
        "coco_json": found.write(train, options.folder / "data_train.json"),
        "images": found.photos,
    }
    other = (options.val_coco_json, getattr(options, "val_masks", None), options.val_scenes or None)
    if train != "val" and "val" in found.splits and not any(each is not None for each in other):
        values["val_coco_json"] = found.write("val", options.folder / "data_val.json")
        values["val_images"] = found.photos
    elif options.val_coco_json is not None and options.val_images is None:
        values["val_images"] = found.photos
    changed = replace(options, **values)
    changed.check()
    return changed
