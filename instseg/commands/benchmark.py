"""`instseg benchmark`: compares speed with torchvision or pycocotools, in one run."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from instseg.commands.listener import Listener
from instseg.commands.terminal import console, table
from instseg.core.errors import ArgumentError, require_between
from instseg.core.events import OnEvent
from instseg.formats.registry import FormatName
from instseg.system.atomic import replacing
from instseg.system.versions import versions


@dataclass(frozen=True, kw_only=True)
class Options:
    """Compares speed with torchvision or pycocotools, alternating between both in one run.

    A ratio above 1 means that instseg is faster.

    Args:
        what: infer (from photo files to RLE), postprocess (from 100 soft masks of a 12-megapixel
            photo to RLE), draw (20 instances on photos of 480 x 640 px, and 100 large ones on one
            of 12 megapixels), train (steps of SGD), evaluate (COCO AP of boxes and masks, from
            files, 100 detections per image), read (a COCO JSON file of the size of
            instances_train2017.json), or convert (10,000 masks from COCO to another format and
            back). The first four are compared with torchvision, evaluate and read with pycocotools;
            evaluate also with faster-coco-eval, hotcoco and ultrafast-pycocotools, and convert with
            supervision, if they are installed. memory compares the peak memory that is predicted
            with what a process uses, for 1 and 4 photos of 0.3 to 100 megapixels. track compares
            the track ids of instseg, HOTA and IDF1, with those of ByteTrack by boxes alone, on the
            same detections of drawn videos; it needs trackeval. serve sends
            requests to the service, and to LitServe, if it is installed, with the same predictor;
            each answer is checked.
        images: Photos, folders or globs; for train, the folder of the photos of --coco-json. If
            not given, drawn scenes of 480 x 640 px.
        coco_json: For train: annotations in COCO format; the first photos with objects are used.
        images_count: Number of synthetic images for evaluate (default: 500), read (default:
            100,000) and convert (default: 1,370); for track, of the frames of each video
            (default: 120); for serve, requests of each round (default: 100).
        weights: coco-v1, coco-v2, a path, or random. With random weights, all score thresholds are
            zero, so that both sides do the same work. For track, random stands for detections that
            are made of the truth, with errors.
        architecture: Architecture of random weights (default: resnet50_fpn) or of a .pth file:
            resnet50_fpn, resnet50_fpn_v2, or for train also compact.
        clients: For serve: requests at the same time.
        detections: For infer: at most this many detections per photo.
        stages: For infer: instead of comparing, show how long each stage of instseg takes for a
            photo, from file to RLE, drawing and PNG, beside its floor, the least it could take: its
            floating-point operations at the rate, or its bytes at the bandwidth, that are measured
            on this machine.
        batch_size: Photos that both sides are given at once for infer (default: 1), or images per
            step for train (default: 2).
        engine: For infer and memory: what runs instseg's side, torch, openvino or onnxruntime.
        precision: Floating-point precision of instseg; torchvision runs in fp32. For infer with
            openvino or onnxruntime also int8, calibrated with the photos.
        device: For infer, postprocess and train: device of both sides, cpu, cuda or cuda:1.
        compile: For infer: compile the network of instseg, as `infer --compile` does.
        repeats: Number of measurements of each side after one warm-up; the median is reported. For
            train, each is one step; the losses are written to --json and plotted beside it. For
            track, the videos of each kind.
        seed: Random seed of weights, masks, boxes and synthetic data.
        json: File to write the results to.
        out: Folder for drawn scenes and synthetic files.
        to: For convert: the other format.
    """

    what: (
        Literal[
            "infer",
            "postprocess",
            "draw",
            "train",
            "evaluate",
            "read",
            "convert",
            "memory",
            "track",
            "serve",
        ]
        | None
    ) = None
    images: list[str] | None = None
    coco_json: Path | None = None
    images_count: int | None = None
    weights: str = "random"
    architecture: str | None = None
    clients: int = 8
    detections: int = 100
    stages: bool = False
    batch_size: int | None = None
    engine: Literal["auto", "torch", "openvino", "onnxruntime"] = "torch"
    precision: Literal["auto", "fp32", "bf16", "int8"] = "fp32"
    device: str = "cpu"
    compile: bool = False
    repeats: int = 5
    seed: int = 0
    json: Path | None = None
    out: Path = Path("out/benchmark")
    to: FormatName = "yolo-seg"


def run(config: Options) -> int:
    """Measures, prints a table, and returns the exit code."""
    require_between(1, repeats=config.repeats, images_count=config.images_count)
    require_between(1, 10_000, detections=config.detections)
    require_between(1, 1024, batch_size=config.batch_size, clients=config.clients)
    if config.stages and config.what != "infer":
        raise ArgumentError("{stages} goes with infer; leave it out, or run benchmark infer")
    with Listener() as listener:
        figures = _figures(config, listener)
    figures["versions"] = versions()
    if config.stages:
        _show_stages(figures)
    elif config.what == "memory":
        _show_peaks(figures)
    else:
        _show_sides(figures, config.what)
    if config.json:
        with replacing(config.json) as temporary:
            temporary.write_text(json.dumps(figures, indent=1) + os.linesep)
    return 0


def _show_stages(figures: dict[str, Any]) -> None:
    header = ["stage", "median s", "fastest", "slowest", "floor s", "GFLOP", "MB", "median / floor"]
    rows = []
    for stage, figure in figures["stages"].items():
        share = figure["median"] / figure["floor"] if figure["floor"] else float("nan")
        rows.append((stage, *(f"{value:.4g}" for value in (*figure.values(), share))))
    table(header, rows)
    console.print(
        f"{figures['precision']}, threads: {figures['threads']}; measured rates: "
        f"{figures['gflop_per_s']:.0f} GFLOP/s, {figures['gb_per_s']:.1f} GB/s"
    )


def _show_peaks(figures: dict[str, Any]) -> None:
    header = ["megapixels", "batch", "overlays", "predicted MB", "measured MB", "difference"]
    rows = [
        (
            f"{each['megapixels']:g}",
            str(each["batch_size"]),
            "yes" if each["pictures"] else "no",
            f"{each['predicted'] / 1e6:,.0f}",
            f"{each['measured'] / 1e6:,.0f}",
            f"{each['predicted'] / each['measured'] - 1:+.0%}",
        )
        for each in figures["peaks"]
    ]
    table(header, rows)


def _show_sides(figures: dict[str, Any], what: str | None) -> None:
    measured = figures["ours"].keys()
    sides = [n for n, each in figures.items() if isinstance(each, dict) and each.keys() == measured]
    table(
        ["side", *figures["ours"]],
        [(side, *(f"{value:.4g}" for value in figures[side].values())) for side in sides],
    )
    if "network" in figures:
        network = figures["network"]
        console.print(
            f"network: {network['share']:.0%} of {network['gflop_per_s'] / 1000:.1f} TFLOP/s, the "
            "rate measured for matrix products and convolutions"
        )
    ratio = figures["ratio"]
    if what == "track":
        console.print(
            f"{len(figures['videos'])} videos; HOTA or IDF1 is lower with masks in "
            f"{figures['worse']}"
        )
        return
    peers = {
        "evaluate": "pycocotools",
        "read": "pycocotools",
        "convert": "supervision",
        "serve": "LitServe",
    }
    peer = peers.get(what or "", "torchvision")
    for task, times in (ratio if isinstance(ratio, dict) else {what: ratio}).items():
        console.print(f"{task}: {times:.2f} times as fast as {peer}")


def _figures(config: Options, on_event: OnEvent) -> dict[str, Any]:
    from instseg.benchmark.postprocess import measure_postprocessing

    match config.what:
        case "infer":
            return _infer(config, on_event)
        case "postprocess":
            return measure_postprocessing(
                repeats=config.repeats, device=config.device, seed=config.seed, on_event=on_event
            )
        case "draw":
            from instseg.benchmark.draw import measure_drawing

            return measure_drawing(repeats=config.repeats, seed=config.seed, on_event=on_event)
        case "train":
            return _train(config, on_event)
        case "memory":
            from instseg.benchmark.memory import measure_memory

            peaks = measure_memory(
                config.weights,
                engine=config.engine,
                precision=config.precision,
                on_event=on_event,
            )
            return {"weights": config.weights, "peaks": peaks}
        case "track":
            from instseg.benchmark.track import measure_tracking

            return measure_tracking(
                config.repeats,
                config.images_count or 120,
                seed=config.seed,
                weights=None if config.weights == "random" else config.weights,
                on_event=on_event,
            )
        case "serve":
            return _serve(config, on_event)
        case "convert":
            from instseg.benchmark.convert import measure_conversion

            images = config.images_count or 1370  # of 10,000 masks
            return measure_conversion(
                images, config.repeats, config.seed, config.out, to=config.to, on_event=on_event
            )
        case _:
            return _coco(config, on_event)


def _infer(config: Options, on_event: OnEvent) -> dict[str, Any]:
    from instseg.benchmark.infer import draw_photos, measure_inference
    from instseg.files.listing import list_images

    photos = list_images(config.images) if config.images else draw_photos(config.out)
    options: dict[str, Any] = {
        "weights": config.weights,
        "architecture": config.architecture,
        "precision": config.precision,
        "device": config.device,
        "detections": config.detections,
        "repeats": config.repeats,
        "seed": config.seed,
        "on_event": on_event,
    }
    if config.stages:
        from instseg.benchmark.stages import measure_stages

        return measure_stages(photos, folder=config.out, **options)
    batch_size = 1 if config.batch_size is None else config.batch_size
    return measure_inference(
        photos, engine=config.engine, batch_size=batch_size, compiled=config.compile, **options
    )


def _serve(config: Options, on_event: OnEvent) -> dict[str, Any]:
    from instseg.benchmark.infer import draw_photos
    from instseg.benchmark.serve import measure_serving
    from instseg.files.listing import list_images

    return measure_serving(
        list_images(config.images) if config.images else draw_photos(config.out),
        weights=config.weights,
        clients=config.clients,
        requests=config.images_count or 100,
        repeats=config.repeats,
        on_event=on_event,
    )


def _train(config: Options, on_event: OnEvent) -> dict[str, Any]:
    from instseg.benchmark.train import draw_losses, measure_training

    figures = measure_training(
        weights=config.weights,
        architecture=config.architecture,
        coco_json=config.coco_json,
        images=Path(config.images[0]) if config.images else None,
        batch_size=2 if config.batch_size is None else config.batch_size,
        precision=config.precision,
        device=config.device,
        repeats=config.repeats,
        seed=config.seed,
        folder=config.out,
        on_event=on_event,
    )
    if config.json:
        draw_losses(figures["losses"], config.json.with_suffix(".png"))
    return figures


def _coco(config: Options, on_event: OnEvent) -> dict[str, Any]:
    from instseg.benchmark.evaluate import measure_evaluation, measure_reading

    reading = config.what == "read"
    measure = measure_reading if reading else measure_evaluation
    images = config.images_count or (100_000 if reading else 500)
    return measure(images, config.repeats, config.seed, config.out, on_event=on_event)
