"""`finetune`: train a Mask R-CNN on COCO annotations, or on drawn scenes."""

from __future__ import annotations

from pathlib import Path

import torch

from instseg.core.errors import ArgumentError
from instseg.core.events import Notice, OnEvent, Warned
from instseg.core.options import takes
from instseg.data.coco import CocoData
from instseg.data.labels import doubtful_truth
from instseg.data.sampling import Order
from instseg.data.sound import read_sound
from instseg.models.mask_rcnn import Model
from instseg.system.device import choose_device, choose_dtype
from instseg.system.processes import from_first, process_count, process_device, process_rank
from instseg.training.any_data import with_data
from instseg.training.batch_pictures import draw_batches
from instseg.training.best_ap import BestByAP
from instseg.training.box_supervision import pairwise_weight
from instseg.training.common_options import resumed
from instseg.training.detection import Detection
from instseg.training.detection_data import (
    check_validation_classes,
    coco_samples,
    drawn_for_validation,
    epochs_for_steps,
    scene_classes,
    tell_windows,
)
from instseg.training.detection_report import DetectionShown
from instseg.training.detection_start import DetectorStart, PseudoLabels, parse_init_classes
from instseg.training.finetune_options import FinetuneOptions
from instseg.training.label_choices import (
    check_labels,
    choose_box_supervision,
    choose_mask_head,
    parse_scores,
)
from instseg.training.loop import Trainer
from instseg.training.recipe import usual_epochs
from instseg.training.report import RunReport
from instseg.training.result import FinetuneResult
from instseg.training.resume import UNLABELLED_FILE, provenance_of
from instseg.training.run import Run
from instseg.training.samples import CocoSamples, Samples, SceneSamples
from instseg.training.scope import SMALL_BATCH, parse_layers
from instseg.training.teacher import Teacher
from instseg.training.tile_samples import TileSamples
from instseg.training.unlabelled import (
    MixedSamples,
    list_unlabelled,
    mixed_samples,
    read_photos,
    write_photos,
)


@takes(FinetuneOptions)
def finetune(options: FinetuneOptions) -> FinetuneResult:
    """Train a Mask R-CNN on COCO annotations, and write its model file.

    The arguments are those of the command line. Besides paths, `coco_json` and `val_coco_json`
    take a `CocoData`, which has its own photos and is not checked by the doctor, and `weights`
    takes a loaded `Model`, which is not changed. Checkpoints, logs and pictures are written to
    `out`, as by the command.

    Example:
        ```python
        result = instseg.finetune(
            "train.json", "photos/", val_coco_json="val.json", weights="coco-v2", max_steps=2000
        )
        print(result.metrics["segm"]["AP"])
        predict = instseg.Predictor(result.best)
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
        trainer, task, model = make_trainer(options, run)
        teacher = None
        if isinstance(trainer.samples, MixedSamples):
            teacher = Teacher(
                trainer=trainer, model=model, samples=trainer.samples, on_event=run.tell
            )
        best = BestByAP(
            trainer=trainer,
            task=task,
            model=model,
            val=validation_data(options, model.card.class_names, run.tell),
            folder=options.folder,
            recipe=provenance_of(options.given()),
            weights_dtype=options.weights_dtype,
            patience=options.patience,
            batch_size=options.batch_size,
            tile=options.tile,
        )
        if options.show_batch and process_rank() == 0:
            path = options.folder / "batches.png"
            draw_batches(trainer, task, model.card.class_names, path)
            run.tell(Notice(text=f"{path}: what the network sees"))
        report = RunReport(
            folder=options.folder,
            options=best.recipe,
            trainer=trainer,
            best=best,
            shown=DetectionShown(best=best),
            on_event=run.tell,
        )
        finished = run.train(
            trainer, best, scores=teacher.figures if teacher else dict, report=report.write
        )
        return FinetuneResult(**run.result(trainer, best, finished))


def make_trainer(options: FinetuneOptions, run: Run) -> tuple[Trainer, Detection, Model]:
    """The trainer, its task, and the model whose network it trains."""
    torch.manual_seed(options.seed)  # new heads are initialised at random
    device = choose_device(process_device(options.device))
    model, samples, by_boxes = model_and_samples(options, run)
    task = Detection(
        model.network,
        resize=options.coco_json is not None,
        frozen_norms=options.weights != "none" and options.batch_size < SMALL_BATCH,
    )
    trainer = Trainer(
        task,
        samples,
        options.recipe(sum(map(len, samples.batches(0)))),
        device,
        choose_dtype(options.precision, device),
        stages_of(options, samples.epochs),
        plateau=options.plateau(),
        cancel=run.cancel,
        on_event=run.tell,
    )
    if by_boxes:
        task.pairwise = lambda: pairwise_weight(trainer.step, trainer.steps)
    if not trainer.steps:
        raise ArgumentError(
            f"{options.scenes} {{scenes}} are less than one batch of {options.batch_size}"
        )
    return trainer, task, model


def model_and_samples(options: FinetuneOptions, run: Run) -> tuple[Model, Samples, bool]:
    """The network, its training data (a dataset, or drawn scenes), and if boxes train masks."""
    shared = None if options.mask_head is None else options.mask_head == "shared"
    if options.coco_json is None:
        names, ids = scene_classes()
        scenes = SceneSamples(
            options.scenes,
            tuple(options.scene_sizes),
            options.batch_size,
            names,
            options.seed + 1,
            rank=process_rank(),
            world_size=process_count(),
        )
        return start_of(options, run.tell, shared).model(names, ids), scenes, False
    data = read_data("train", options.coco_json, options.images, options, run.tell)
    data.require_objects()
    pseudo = parse_scores(options.pseudo)
    check_labels(data, pseudo, run.tell)
    by_boxes = choose_box_supervision(data, options.box_supervision, pseudo, run.tell)
    if not by_boxes:
        shared = choose_mask_head(data, options.mask_head, pseudo, run.tell)
    model, data = model_and_labels(options, data, run, shared)
    labelled = coco_samples(
        data,
        epochs_of=lambda order: epochs_of(options, order),
        batch_size=options.batch_size,
        seed=options.seed,
        repeat_threshold=options.repeat_threshold,
        empty_share=options.empty_share,
        augment=options.augment,
        pseudo=pseudo,
        mask_share=options.mask_share,
        tile=options.tile,
    )
    if isinstance(labelled, TileSamples):
        tell_windows(labelled, run.tell)
    samples = with_unlabelled(options, labelled, run) if options.unlabelled else labelled
    return model, samples, by_boxes


def with_unlabelled(options: FinetuneOptions, labelled: CocoSamples, run: Run) -> MixedSamples:
    """The labelled photos mixed with unlabelled ones; a resumed run has those of its folder."""
    assert options.unlabelled is not None, "the caller checks"
    path = options.folder / UNLABELLED_FILE
    if process_rank() == 0 and not (run.resumed and path.exists()):
        given = options.unlabelled
        inputs = given if isinstance(given, list) else [given]
        photos = list_unlabelled(inputs, labelled_photos(options, labelled.data), run.tell)
        write_photos(path, photos)
    from_first(None)  # the others wait for the file
    return mixed_samples(
        labelled,
        read_photos(path),
        share=options.unlabelled_share,
        start=options.unlabelled_start,
        scores=parse_scores(options.unlabelled_scores, "unlabelled_scores"),
    )


def labelled_photos(options: FinetuneOptions, data: CocoData) -> set[Path]:
    """The photos of the training and validation data, with links resolved."""
    val, images = options.val_coco_json, options.val_images or options.images
    datasets = [data]
    if isinstance(val, CocoData):
        datasets.append(val)
    elif val is not None and images is not None:
        datasets.append(CocoData.read(val, images, boxes_only=True))
    return {(each.folder / image.file_name).resolve() for each in datasets for image in each.images}


def read_data(
    part: str,
    coco_json: str | Path | CocoData,
    images: str | Path | None,
    options: FinetuneOptions,
    on_event: OnEvent,
) -> CocoData:
    """A checked dataset; `part` is `train` or `val`."""
    if isinstance(coco_json, CocoData):
        return coco_json
    assert images is not None, "the options were checked"
    return read_sound(
        Path(coco_json),
        Path(images),
        repaired=options.folder / f"sound_{part}.json",
        auto_repair=options.auto_repair,
        boxes=part == "train",
        on_event=on_event,
    )


def start_of(options: FinetuneOptions, on_event: OnEvent, shared: bool | None) -> DetectorStart:
    """The starting weights of the options."""
    return DetectorStart(
        weights=options.weights,
        architecture=options.architecture,
        init_classes=parse_init_classes(options.init_classes),
        min_size=options.min_size,
        class_agnostic_mask=shared,
        on_event=on_event,
    )


def model_and_labels(
    options: FinetuneOptions, data: CocoData, run: Run, shared: bool | None
) -> tuple[Model, CocoData]:
    """The network for a dataset, and the dataset, which has more classes with `keep_classes`."""
    start = start_of(options, run.tell, shared)
    if not options.keep_classes:
        return start.model(data.class_names, data.category_ids), data
    old = start.known()
    names, ids = start.kept_classes(old, data)
    labels = PseudoLabels(
        path=options.folder / "pseudo_labels.json",
        resumed=run.resumed,
        device=options.device,
        precision=options.precision,
        tile=options.tile,
        on_event=run.tell,
    )
    data = labels.added(old, data, names, ids)
    return start.model(names, ids, old), data


def epochs_of(options: FinetuneOptions, order: Order | TileSamples) -> int:
    """The number of epochs."""
    usual = usual_epochs(order.images)
    if options.max_steps is not None and options.epochs is None:
        usual = epochs_for_steps(order, options.max_steps, options.gradient_accumulation_steps)
    stages = parse_layers(options.layers, options.epochs or usual, with_epochs=True)
    return sum(epochs for _, epochs in stages)


def stages_of(options: FinetuneOptions, epochs: int) -> list[tuple[int, str]]:
    """The scope of each stage, with its first epoch, counted from 0."""
    stages, first = [], 0
    for scope, count in parse_layers(options.layers, epochs, with_epochs=not options.scenes):
        stages.append((first, scope))
        first += count
    return stages


def validation_data(
    options: FinetuneOptions, class_names: tuple[str, ...], on_event: OnEvent
) -> CocoData | None:
    """The validation data, if any.

    Raises:
        InputError: It has no object of a trained class.
    """
    if options.val_scenes:
        val = drawn_for_validation(options.folder / "val_scenes", options.val_scenes)
    elif options.val_coco_json is not None:
        images = options.val_images if options.val_images is not None else options.images
        val = read_data("val", options.val_coco_json, images, options, on_event)
    else:
        return None
    check_validation_classes(val, class_names, on_event)
    for text in doubtful_truth(val):
        on_event(Warned(text=f"{val.coco_json}: {text}"))
    return val
