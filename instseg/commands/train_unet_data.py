"""What `instseg train-unet` trains on and measures with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instseg.commands.listener import Listener
from instseg.commands.terminal import console, progress, table
from instseg.core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from instseg.commands.train_unet import TrainUnetConfig
    from instseg.data.coco import CocoData
    from instseg.data.semantic_data import CocoSemantic, SemanticData, Statistics


def training_data(config: TrainUnetConfig) -> SemanticData:
    """All that the options name, before any of it is kept for validation."""
    from instseg.data.mask_folders import MaskData, parse_values

    if config.coco_json and config.images:
        return collapsed(config, "train", config.coco_json, config.images)
    if config.masks and config.images:
        values = parse_values(config.values) if config.values else None
        return MaskData.read(config.images, config.masks, values=values)
    return drawn(config, "scenes", config.scenes, config.seed + 1)


def with_validation(
    config: TrainUnetConfig, data: SemanticData
) -> tuple[SemanticData, SemanticData | None]:
    """The data to train on, and the data to measure with, if any."""
    from instseg.data.mask_folders import MaskData
    from instseg.data.semantic_data import Subset

    val: SemanticData
    if config.val_scenes:
        val = drawn(config, "val_scenes", config.val_scenes, 0)
    elif config.val_coco_json:
        images = config.val_images or config.images
        assert images
        val = collapsed(config, "val", config.val_coco_json, images)
    elif config.val_masks and config.val_images:
        assert isinstance(data, MaskData)
        val = MaskData.read(config.val_images, config.val_masks, values=data.values)
    elif config.val_share:
        train_names, val_names = parted(config, data)
        val = Subset.named(data, val_names)
        data = Subset.named(data, train_names)
    else:
        return data, None
    if val.class_names != data.class_names:
        unshared = sorted(set(val.class_names) ^ set(data.class_names)) or ["the order"]
        raise InputError(
            f"the validation data has other classes than the training data ({unshared[0]} is not "
            "in both); give both the same list"
        )
    return data, val


def collapsed(config: TrainUnetConfig, part: str, coco_json: Path, images: Path) -> CocoSemantic:
    """A COCO dataset as label maps; `part` is `train` or `val`."""
    from instseg.commands.finetune_data import sound_data

    return label_maps(config, sound_data(config, part, coco_json, images))


def drawn(config: TrainUnetConfig, name: str, count: int, seed: int) -> CocoSemantic:
    """Scenes as label maps; a run that goes on has drawn them already."""
    from instseg.data.coco import CocoData
    from instseg.scenes.scene import SceneConfig, write_scenes
    from instseg.system.processes import from_first, process_rank

    folder = config.out / name
    path = folder / "annotations.json"
    if process_rank() == 0 and not (config.resume and path.exists()):
        scenes = SceneConfig(seed=seed, size_hw=(config.scene_size, config.scene_size))
        with Listener() as listener:
            write_scenes(folder, count, scenes, on_event=listener)
    from_first(None)
    return label_maps(config, CocoData.read(path, folder / "images"))


def label_maps(config: TrainUnetConfig, data: CocoData) -> CocoSemantic:
    """A dataset's objects collapsed as the options say."""
    from instseg.data.semantic_data import CocoSemantic

    priority = [name.strip() for name in config.priority.split(",")] if config.priority else None
    for name in priority or ():
        if name not in data.class_names[1:]:
            raise InputError(f"--priority: {data.coco_json} has no class {name!r}")
    return CocoSemantic(data=data, rule=config.rule, priority=priority)


def parted(config: TrainUnetConfig, data: SemanticData) -> tuple[list[str], list[str]]:
    """Names of the files to train on and to measure with, as split.json has them."""
    from instseg.data.split import read_split, split, write_split
    from instseg.system.processes import process_rank

    names = [data.name(row) for row in range(len(data))]
    path = config.out / "split.json"
    if config.resume:
        found = read_split(path, names)
    else:
        found = split(names, config.val_share, config.seed)
        if process_rank() == 0:
            write_split(path, found)
    return found.train, found.val


def examine(data: SemanticData, val: SemanticData | None) -> Statistics:
    """Look at every image once, tell how much there is of each class, and measure `data`.

    Raises:
        InputError: Something is wrong with some of the images.
    """
    from instseg.data.semantic_data import kind_of, statistics

    parts = {"training": data} if val is None else {"training": data, "validation": val}
    found = {}
    columns, cells = ["class"], [list(data.class_names)]
    for words, part in parts.items():
        rows = progress(range(len(part)), description=f"reading {words} images")
        found[words] = statistics(part, rows)
        counts = found[words].class_pixels  # [N, K+1]
        if not counts.any():
            raise InputError(f"the {words} images have no labelled pixel; say what values mean")
        columns += [f"{words} pixels", f"of {len(part)} images"]
        cells.append([f"{share:.2%}" for share in counts.sum(axis=0) / counts.sum()])
        cells.append([str(n) for n in np.count_nonzero(counts, axis=0)])
    kind, *others = [kind_of(part.load(0)[0]) for part in parts.values()]
    if val is not None and others != [kind]:
        raise InputError(
            f"{val.name(0)}: is {others[0]}, the training image {data.name(0)} is {kind}; "
            "save all alike"
        )
    table(columns, zip(*cells, strict=True))
    for words, each in found.items():
        pixels = each.class_pixels.sum(axis=0).tolist()
        absent = [name for name, count in zip(data.class_names, pixels, strict=True) if not count]
        if absent:
            console.print(f"no pixel of the {words} images is of {', '.join(absent)}")
    return found["training"]
