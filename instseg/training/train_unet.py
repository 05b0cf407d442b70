"""`train_unet`: train a semantic network on COCO annotations, semantic maps or drawn scenes."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from instseg.core.events import OnEvent
from instseg.core.map_values import parse_values
from instseg.core.options import takes
from instseg.data.mask_folders import MaskData
from instseg.data.sampling import Order
from instseg.data.semantic_data import SemanticData, Statistics
from instseg.models.segmenters import SegmenterModel
from instseg.system.device import choose_device, choose_dtype
from instseg.system.processes import process_count, process_device, process_rank
from instseg.training.any_data import with_data
from instseg.training.best_iou import BestByIoU
from instseg.training.common_options import resumed
from instseg.training.loop import Trainer
from instseg.training.losses import parse_loss
from instseg.training.recipe import usual_epochs
from instseg.training.report import RunReport
from instseg.training.result import TrainUnetResult
from instseg.training.resume import provenance_of
from instseg.training.run import Run
from instseg.training.scope import SMALL_BATCH
from instseg.training.segmentation import Segmentation
from instseg.training.segmentation_data import (
    ObjectMaps,
    checked_statistics,
    parted,
    require_same_classes,
    semantic_samples,
)
from instseg.training.segmentation_report import SegmentationShown
from instseg.training.segmentation_start import SegmenterStart
from instseg.training.unet_options import TrainUnetOptions

FROM_SCRATCH = 4  # epochs, as a multiple of those of fine-tuning


@takes(TrainUnetOptions)
def train_unet(options: TrainUnetOptions) -> TrainUnetResult:
    """Train a U-Net, or another network for semantic segmentation, and write its model file.

    The arguments are those of the command line. Besides paths, `coco_json` and `val_coco_json`
    take a `CocoData`, which has its own photos and is not checked by the doctor, and `weights`
    takes a loaded `SegmenterModel`, which is not changed. Checkpoints, logs and pictures are
    written to `out`, as by the command.

    Example:
        ```python
        result = instseg.train_unet("train.json", "photos/", epochs=20)
        print(result.metrics["scores"]["mIoU"])
        semantic_map = instseg.Segmenter(result.best)("photo.jpg")
        ```

    Returns:
        The model file, its metrics and the history of the run.

    Raises:
        InputError: Arguments or data are wrong; training has diverged; the disk is full.
    """
    options = resumed(options)
    run = options.run()
    with run.underway(options.check):
        options = with_data(options, run.tell)
        maps = maps_of(options, run)
        data, val = with_validation(options, training_data(options, maps), maps)
        statistics = checked_statistics(data, val, run.tell)
        trainer, task, model = make_trainer(options, data, statistics, run)
        best = best_of(options, trainer, task, model, data, val, statistics)
        report = RunReport(
            folder=options.folder,
            options=best.recipe,
            trainer=trainer,
            best=best,
            shown=SegmentationShown(best=best),
            on_event=run.tell,
        )
        finished = run.train(trainer, best, task.scores, report.write)
        if process_rank() == 0:
            best.draw_history()
        return TrainUnetResult(**run.result(trainer, best, finished))


def maps_of(options: TrainUnetOptions, run: Run) -> ObjectMaps:
    """How objects are merged into semantic maps."""
    return ObjectMaps(
        folder=options.folder,
        resumed=run.resumed,
        rule=options.rule,
        priority=options.priority,
        auto_repair=options.auto_repair,
        scene_size=options.scene_size,
        on_event=run.tell,
    )


def training_data(options: TrainUnetOptions, maps: ObjectMaps) -> SemanticData:
    """All data of the options, before any is held out for validation."""
    if options.coco_json is not None:
        return maps.of("train", options.coco_json, options.images)
    if options.masks is not None and options.images is not None:
        values = parse_values(options.values) if options.values else None
        return MaskData.read(
            Path(options.images),
            Path(options.masks),
            values=values,
            mask_name=options.mask_name,
            on_event=maps.on_event,
        )
    return maps.drawn("scenes", options.scenes, options.seed + 1)


def with_validation(
    options: TrainUnetOptions, data: SemanticData, maps: ObjectMaps
) -> tuple[SemanticData, SemanticData | None]:
    """The training data, and the validation data, if any."""
    val: SemanticData
    if options.val_scenes:
        val = maps.drawn("val_scenes", options.val_scenes, 0)
    elif options.val_coco_json is not None:
        images = options.val_images if options.val_images is not None else options.images
        val = maps.of("val", options.val_coco_json, images)
    elif options.val_masks is not None and options.val_images is not None:
        assert isinstance(data, MaskData), "the options were checked"
        folders = Path(options.val_images), Path(options.val_masks)
        val = MaskData.read(
            *folders, values=data.values, mask_name=options.mask_name, on_event=maps.on_event
        )
    elif options.val_share:
        path = options.folder / "split.json"
        data, val = parted(
            data,
            path,
            val_share=options.val_share,
            seed=options.seed,
            resumed=options.resume is not None,
        )
    else:
        return data, None
    require_same_classes(data, val)
    return data, val


def make_trainer(
    options: TrainUnetOptions, data: SemanticData, statistics: Statistics, run: Run
) -> tuple[Trainer, Segmentation, SegmenterModel]:
    """The trainer, its task, and the model whose network it trains."""
    torch.manual_seed(options.seed)  # a new network is initialised at random
    device = choose_device(process_device(options.device))
    image, _ = data.load(0)  # all have its channels and dtype
    model = start_of(options, run.tell).model(data, image, statistics)
    counts = statistics.class_pixels.sum(axis=0).tolist()
    loss = parse_loss(options.loss, class_counts=lambda: counts)
    pretrained = options.weights is not None or options.encoder_weights != "none"
    frozen = pretrained and options.batch_size < SMALL_BATCH
    task = Segmentation(model.network, model.normalise, loss, frozen_norms=frozen)
    order = Order(
        images=len(data),
        batch_size=options.batch_size,
        seed=options.seed,
        rank=process_rank(),
        world_size=process_count(),
    )
    samples = semantic_samples(
        data,
        order,
        epochs=epochs_of(options, order),
        image=image,
        statistics=statistics,
        min_size=model.card.preprocessing["min_size"],
        crop=options.crop,
        augment=options.augment,
    )
    trainer = Trainer(
        task,
        samples,
        options.recipe(sum(map(len, samples.batches(0)))),
        device,
        choose_dtype(options.precision, device),
        stages=((0, options.layers),),
        plateau=options.plateau(),
        cancel=run.cancel,
        on_event=run.tell,
    )
    return trainer, task, model


def start_of(options: TrainUnetOptions, on_event: OnEvent) -> SegmenterStart:
    """The new network, or the starting weights, of the options."""
    return SegmenterStart(
        architecture=options.architecture,
        skips=options.skips,
        encoder_weights=options.encoder_weights,
        weights=options.weights,
        size=options.size,
        on_event=on_event,
    )


def epochs_of(options: TrainUnetOptions, order: Order) -> int:
    """Number of epochs."""
    if options.epochs is not None:
        return options.epochs
    if options.max_steps is not None:
        batches = options.max_steps * options.gradient_accumulation_steps
        return math.ceil(batches / len(order.batches(0)))
    return usual_epochs(order.images) * (FROM_SCRATCH if options.weights is None else 1)


def best_of(
    options: TrainUnetOptions,
    trainer: Trainer,
    task: Segmentation,
    model: SegmenterModel,
    data: SemanticData,
    val: SemanticData | None,
    statistics: Statistics,
) -> BestByIoU:
    """The object that keeps the best weights; its recipe describes the network of the weights."""
    skips = model.card.architecture_args.get("skips", True)
    network = {"architecture": model.card.architecture, "skips": skips}
    pixels = statistics.class_pixels.sum(axis=0).tolist()
    return BestByIoU(
        trainer=trainer,
        task=task,
        model=model,
        val=val,
        folder=options.folder,
        recipe=provenance_of(options.given()) | network,
        weights_dtype=options.weights_dtype,
        patience=options.patience,
        class_pixels=dict(zip(data.class_names, pixels, strict=True)),
    )
