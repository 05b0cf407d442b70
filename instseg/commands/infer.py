"""`instseg infer`: finds instances in photos and videos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from instseg.commands.infer_options import Options
from instseg.commands.listener import Listener
from instseg.commands.stand_in import with_default_weights
from instseg.commands.terminal import console, printable, table
from instseg.core.errors import ArgumentError
from instseg.core.events import Notice, OnEvent, download_progress
from instseg.core.overlap_rule import require_rule_used
from instseg.core.wording import count, split_names
from instseg.formats.options import in_pixels
from instseg.system.allocation import keep_freed_memory

if TYPE_CHECKING:
    from instseg.predict.folder import PredictedFolder
    from instseg.predict.photos import NamedPhoto
    from instseg.predict.pre_annotation import PreAnnotation
    from instseg.predict.predictor import Predictor


def run(config: Options) -> int:
    """Returns 0, 1 if some photos or videos failed or ended early, 2 if all failed."""
    if config.ray is not None:
        from instseg.commands.infer_cluster import run_on_ray

        return run_on_ray(vars(config))
    from instseg.commands.infer_video import predict_videos, videos_and_photos

    _check(config)
    keep_freed_memory()
    with Listener() as listener:
        videos, paths = videos_and_photos(config, listener)
        predictor = _load(config, listener)
        from instseg.predict.photos import name_photos

        if predictor.uses_stored_thresholds:
            listener(Notice(text=_thresholds_in_words(predictor)))
        if notice := predictor.card.tile_notice(config.tile):
            listener(Notice(text=printable(f"{predictor.name}: {notice}")))
        failed, ended_early = predict_videos(
            predictor, videos, config, alone=not paths, on_event=listener
        )
        if not paths:
            return _code(failed, ended_early, len(videos))
        photos = name_photos(paths)
        done = _predict_photos(predictor, photos, config, listener)
    _show(config, done)
    return _code(failed + len(done.failed), ended_early, len(videos) + len(photos))


def _code(failed: int, ended_early: int, inputs: int) -> int:
    if failed == inputs:
        return 2
    return 1 if failed or ended_early else 0


def _check(config: Options) -> None:
    """Raise ArgumentError for options that do not go together."""
    require_rule_used(config.overlap_rule, config.class_priority, semantic_map=config.semantic_map)
    if not config.report and (config.embed != "auto" or config.pixel_size is not None):
        raise ArgumentError("{embed} and {pixel_size} need {report}")
    if in_pixels(config.tolerance) != 1 and config.to is None:
        raise ArgumentError("{tolerance} needs {to}")


def _load(config: Options, on_event: OnEvent) -> Predictor:
    """The predictor of the given weights, or else of coco-v2 or what stands in for it."""
    import torch

    torch.manual_seed(config.seed)
    if config.weights is not None:
        return _predictor(config, config.weights, on_event)
    return with_default_weights(lambda weights: _predictor(config, weights, on_event), on_event)


def _predictor(config: Options, weights: str, on_event: OnEvent) -> Predictor:
    from instseg.predict.predictor import Predictor

    return Predictor(
        weights,
        architecture=config.architecture,
        device=config.device,
        engine=config.engine,
        precision=config.precision,
        preset=config.preset,
        score_threshold=config.score_threshold,
        classes=split_names(config.classes),
        max_detections=config.max_detections,
        cross_class_nms=config.cross_class_nms,
        tile=config.tile,
        overlap=config.overlap,
        flip=config.flip,
        batch_size=config.batch_size,
        memory=config.memory,
        compile=config.compile,
        progress=download_progress(on_event),
        on_event=on_event,
    )


def _predict_photos(
    predictor: Predictor, photos: Sequence[NamedPhoto], config: Options, on_event: OnEvent
) -> PredictedFolder:
    from instseg.predict.folder import predict_folder
    from instseg.predict.pictures import Pictures

    return predict_folder(
        predictor,
        photos,
        config.out,
        pictures=Pictures(
            overlay=config.overlay,
            semantic_map=config.semantic_map,
            rule=config.overlap_rule,
            priority=split_names(config.class_priority),
            crops=config.crops,
            color_by="instance" if config.color_by == "instance" else "class",
        ),
        csv=config.csv,
        geojson=config.geojson,
        polygons=config.polygons,
        coco_json=config.coco_json,
        resume=config.resume,
        report=config.report,
        embed=config.embed,
        pixel_size=config.pixel_size,
        to=config.to,
        tolerance=in_pixels(config.tolerance),
        on_event=on_event,
    )


def _thresholds_in_words(predictor: Predictor) -> str:
    stored = predictor.card.thresholds
    least, most = (f"{limit(stored.values()):.2f}" for limit in (min, max))
    between = least if least == most else f"{least} to {most}"
    return printable(
        f"{predictor.name}: minimum scores are those stored for {count(len(stored), 'class')}, "
        f"{between}; --score-threshold X sets one for all"
    )


def _show(config: Options, done: PredictedFolder) -> None:
    if done.counts:
        table(["class", "instances"], done.counts.items())
    written = {
        "predictions.json": True,
        "overlays": config.overlay,
        "labels/": config.semantic_map,
        "instances.csv": config.csv,
        "GeoJSON": config.geojson,
        "crops/": config.crops,
    }
    names = [name for name, wanted in written.items() if wanted and done.done]
    names += ["report.html"] if config.report else []
    names += [f"{config.to}/"] if done.pre_annotation else []
    line = f"{config.out}: wrote {', '.join(names) or 'nothing new'}: "
    line += f"{count(sum(done.counts.values()), 'instance')} in {count(done.done, 'photo')}, "
    line += f"{done.seconds:.1f} s ({done.done / done.seconds:.2g} photos/s, "
    line += f"network busy {done.busy:.0%})"
    if done.skipped:
        line += f"; {count(done.skipped, 'photo')} done before"
    if done.failed:
        line += f"; {count(len(done.failed), 'photo')} failed"
    console.print(printable(line))
    if done.pre_annotation:
        console.print(printable(_in_words(done.pre_annotation)))


def _in_words(done: PreAnnotation) -> str:
    line = f"{done.folder}: {count(done.objects, 'object')} in {count(done.photos, 'photo')}"
    if done.mean_iou is None or done.least_iou is None:
        return line
    return (
        f"{line}; IoU of the simplified outlines with the masks: {done.mean_iou:.3f} on average, "
        f"{done.least_iou:.3f} at least"
    )
