"""`compare`: whether Mask R-CNN, merged into semantic maps, is better than a U-Net, and where."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from instseg import __version__
from instseg.core.errors import ArgumentError, InputError, require_between
from instseg.core.events import OnEvent, Warned, download_progress, ignore
from instseg.core.json_types import Json
from instseg.core.options import python_only, takes
from instseg.core.overlap_rule import Rule
from instseg.core.wording import some
from instseg.system.lock import only_run_in
from instseg.system.versions import versions

if TYPE_CHECKING:
    from instseg.comparison.compared_models import ComparedModels
    from instseg.comparison.result import Comparison
    from instseg.data.coco import CocoData
    from instseg.models.mask_rcnn import Model
    from instseg.models.segmenters import SegmenterModel

FORMAT = 1  # of comparison.json
LOWEST_SCORE = 0.01  # minimum score of instances: AP needs low ones too
FIRST_SEED = 1_000_000  # of scenes, far from those that networks are trained and chosen on
RESAMPLES = (100, 100_000)  # fewer give noisy intervals, more need too much memory


@dataclass(frozen=True)
class CompareOptions:
    """Compares Mask R-CNN, merged into semantic maps, with a U-Net on the same images.

    Both are measured against the same semantic maps at full resolution. The comparison covers the
    classes, matched by name, that the dataset and both models have. Pixels of the dataset's other
    classes are ignored, as are crowds; predictions of other classes count as background. Writes
    comparison.json, comparison.md and pictures.

    Args:
        coco_json: Ground truth: a COCO dataset. Where objects overlap, the smallest is on top.
        images: Folder of its photos.
        data: Instead of `coco_json`: labels of any format that convert reads; of several splits,
            val or else test. `images` is only needed if the photos are not where the labels say.
        scenes: Compare on this many drawn scenes instead, written into the folder `out`. They
            differ from all that train-unet and finetune draw with seeds below 999,999.
        weights: Mask R-CNN: coco-v2, coco-v1, photos, demo or the path of a model file, an exported
            file or a .pth file; auto is photos, with drawn scenes demo.
        architecture: Architecture of a .pth file: resnet50_fpn or resnet50_fpn_v2.
        unet: photos-unet, unet-demo, or the model file of a U-Net or other semantic segmentation
            network, as train-unet writes it, or its exported file; auto is photos-unet, with drawn
            scenes unet-demo.
        rule: Which instance of Mask R-CNN is on top where several overlap: score (the highest
            score), smallest-on-top or class-priority. The effect of all three is measured.
        priority: For class-priority: class names from highest to lowest priority,
            comma-separated; if not given, in the order of the classes of Mask R-CNN.
        score_threshold: Minimum score of instances in the semantic maps, 0 to 1. The effect of
            other thresholds is measured.
        out: Output folder. If not given, the command line uses out/compare; Python writes nothing.
        report: Also write report.html, which shows all of this, and photos with what both models
            find; Python needs `out` for it.
        pictures: Number of images in each of the pictures best, median and worst; 0 draws none.
        speed: Measure time and memory of both models, each in a separate process.
        device: auto, cpu, cuda, cuda:1 or mps.
        engine: What runs both models: torch, openvino or onnxruntime; auto is torch, or what runs
            an exported file.
        precision: Floating-point precision; auto uses bf16 if the processor supports it natively.
        memory: Limit for the memory of the process, such as 4GB, 512MB or 2GiB; by default what is
            free. Fewer photos are read ahead where they would need more; a photo for which either
            model needs more ends the comparison.
        resamples: Number of resamples of the images for the 95% confidence intervals.
        seed: Random seed of the resamples and the scenes.
        on_event: Called with progress and with notices of classes that are not compared.

    Raises:
        ArgumentError: Options do not go together or are out of range.
    """

    coco_json: str | Path | CocoData | None = None
    images: str | Path | None = None
    _: KW_ONLY
    data: str | Path | None = None
    scenes: int = 0
    weights: str | Path | Model = "auto"
    architecture: str | None = None
    unet: str | Path | SegmenterModel = "auto"
    rule: Rule = "score"
    priority: str | Sequence[str] | None = None
    score_threshold: float = 0.5
    out: str | Path | None = None
    report: bool = False
    pictures: int = 3
    speed: bool = True
    device: str = "auto"
    engine: Literal["auto", "torch", "openvino", "onnxruntime"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    memory: str | None = None
    resamples: int = 1000
    seed: int = 0
    on_event: OnEvent = python_only(ignore)

    def __post_init__(self) -> None:
        if sum(map(bool, (self.coco_json, self.data, self.scenes))) != 1:
            raise ArgumentError(
                "say what to compare on: {scenes}, {data}, or {coco_json} with {images}"
            )
        if isinstance(self.coco_json, str | Path) and not self.images:
            raise ArgumentError("{coco_json} needs {images}, the folder of its photos")
        require_between(0, 1_000_000, scenes=self.scenes)
        require_between(0, 1, score_threshold=self.score_threshold)
        require_between(0, 20, pictures=self.pictures)
        require_between(*RESAMPLES, resamples=self.resamples)
        require_between(0, 2**32, seed=self.seed)


@takes(CompareOptions)
def compare(options: CompareOptions) -> Comparison:
    """Compare Mask R-CNN, merged into semantic maps, with a U-Net on the same images.

    Raises:
        InputError: A model or the data are not available, or they cannot be compared.
    """
    from instseg.comparison.measure import compare_models
    from instseg.comparison.pictures import TITLES, choose, draw_pictures
    from instseg.comparison.report import REPORT, write_report
    from instseg.comparison.result import Comparison
    from instseg.comparison.verdict import not_compared, verdict
    from instseg.comparison.write import as_json, write_comparison

    options = _with_weights(options)
    out = None if options.out is None else Path(options.out)
    if options.report and out is None:
        raise ArgumentError("{report} needs {out}, the folder to write it to")
    with _folder_of(out) as folder:
        models, described = _read(options, folder)
        for words, left_out in not_compared(models.left_out):
            options.on_event(Warned(text=f"{words} ({some(left_out)})"))
        if options.speed:
            for side, cost in _costs(options, models).items():
                described[side] |= cost
        measured: Json = {
            "settings": _settings(options, models.priority),
            "versions": versions(),
            "models": described,
            **compare_models(
                models,
                resamples=options.resamples,
                seed=options.seed,
                on_event=options.on_event,
            ),
        }
        chosen = choose(measured["per_image"], options.pictures) if out else {}
        content = {"format": FORMAT, "instseg": __version__, "verdict": verdict(measured)}
        content |= measured | {"pictures": {name: TITLES[name] for name in chosen}}
        content = json.loads(as_json(content))
        written: list[Path] = []
        if out:
            written = write_comparison(out, content)
            draw_pictures(models, content["per_image"], chosen, out, options.on_event)
            written += [out / name for name in chosen]
            if options.report:
                write_report(out / REPORT, content, models, options.on_event)
                written.append(out / REPORT)
    return Comparison.from_dict(content, tuple(written))


def _with_weights(options: CompareOptions) -> CompareOptions:
    """Weights for photos, or for drawings, in place of auto."""
    weights, unet = ("demo", "unet-demo") if options.scenes else ("photos", "photos-unet")
    return replace(
        options,
        weights=weights if options.weights == "auto" else options.weights,
        unet=unet if options.unet == "auto" else options.unet,
    )


@contextmanager
def _folder_of(out: Path | None) -> Iterator[Path]:
    """Where drawn scenes are kept: for good in `out`, or only while they are needed.

    No other run may write to `out` meanwhile.
    """
    if out:
        with only_run_in(out):
            yield out
        return
    with TemporaryDirectory() as name:
        yield Path(name)


def _read(options: CompareOptions, folder: Path) -> tuple[ComparedModels, dict[str, Json]]:
    """The data and both models, and what comparison.json says of the models."""
    from instseg.comparison.compared_models import ComparedModels, compared_names
    from instseg.comparison.load import class_order, described, load_unet, name_of
    from instseg.core.instances import Instances
    from instseg.data.semantic_data import CocoSemantic
    from instseg.files.weights import locate
    from instseg.predict.predictor import Predictor

    on_event, name = options.on_event, name_of(options.weights)
    how: dict[str, Any] = {
        "device": options.device,
        "engine": options.engine,
        "precision": options.precision,
        "memory": options.memory,
        "on_event": on_event,
    }
    segmenter = load_unet(options.unet, **how)
    if isinstance(options.weights, str | Path):  # before scenes are drawn
        locate(options.weights, progress=download_progress(on_event))
    data = _data(options, folder)
    predictor = Predictor(
        options.weights,
        architecture=options.architecture,
        score_threshold=min(LOWEST_SCORE, options.score_threshold),
        max_detections=max(100, *map(len, data.annotations.values())),
        progress=download_progress(on_event),
        **how,
    )
    names = compared_names(data.class_names, predictor.class_names, segmenter.class_names)
    truth = CocoSemantic(data=data)
    models = ComparedModels(
        data=truth,
        segmenter=segmenter,
        predictor=predictor,
        names=names,
        rule=options.rule,
        priority=class_order(options.priority, predictor.class_names, name),
        score_threshold=options.score_threshold,
    )
    try:
        models.mask_rcnn_map(Instances.empty((1, 1), predictor.class_names), "class-priority")
    except ValueError as problem:  # too many classes
        raise InputError(f"{name}: {problem}") from problem
    return models, {
        "unet": described(options.unet, segmenter),
        "mask_rcnn": described(options.weights, predictor),
    }


def _data(options: CompareOptions, folder: Path) -> CocoData:
    """The dataset; scenes are drawn first."""
    from instseg.data.any_format import FOR_MEASURING, read_dataset
    from instseg.data.coco import CocoData
    from instseg.scenes.scene import SceneConfig, write_scenes

    if options.data:
        found = read_dataset(options.data, options.images, on_event=options.on_event)
        data = found.coco(found.first_of(FOR_MEASURING, options.on_event, "compares on"), folder)
    elif isinstance(options.coco_json, CocoData):
        data = options.coco_json
        if options.images:
            data = replace(data, folder=Path(options.images))
    elif options.coco_json and options.images:
        data = CocoData.read(Path(options.coco_json), Path(options.images))
    else:
        scenes = SceneConfig(seed=FIRST_SEED + options.seed)
        coco_json = write_scenes(
            folder / "scenes", options.scenes, scenes, on_event=options.on_event
        )
        return CocoData.read(coco_json, folder / "scenes" / "images")
    data.require_photos()
    return data


def _costs(options: CompareOptions, models: ComparedModels) -> dict[str, Json]:
    """Time and memory of both models for the first few photos, each in a separate process.

    Raises:
        InputError: One of them is killed.
    """
    from instseg.comparison.cost import MOST_IMAGES, cost_of_mask_rcnn, cost_of_unet
    from instseg.system.fresh_process import in_fresh_process

    data = models.data.data
    photos = [data.folder / each.file_name for each in data.images[:MOST_IMAGES]]
    how = {"device": options.device, "engine": options.engine, "precision": options.precision}
    with TemporaryDirectory() as name:
        unet, ours = (_as_path(each, Path(name)) for each in (options.unet, options.weights))
        return {
            "unet": in_fresh_process(cost_of_unet, "unet", photos, unet, **how),
            "mask_rcnn": in_fresh_process(
                cost_of_mask_rcnn,
                "mask_rcnn",
                photos,
                ours,
                architecture=options.architecture,
                score_threshold=options.score_threshold,
                rule=options.rule,
                priority=models.priority,
                **how,
            ),
        }


def _as_path(weights: str | Path | Model | SegmenterModel, folder: Path) -> str:
    """The name or path of weights; a loaded model is saved for the other process.

    The name of the file is that under which a conversion of the model is kept.
    """
    if isinstance(weights, str | Path):
        return str(weights)
    path = folder / f"{weights.card.architecture.replace(':', '-')}.safetensors"
    weights.save(path)
    return str(path)


def _settings(options: CompareOptions, priority: Sequence[str]) -> Json:
    """The options for comparison.json."""
    from instseg.comparison.load import name_of
    from instseg.data.coco import CocoData

    found: dict[str, Any] = {
        field.name: getattr(options, field.name)
        for field in fields(options)
        if not field.metadata.get("python_only")
    }
    found |= {"weights": name_of(options.weights), "unet": name_of(options.unet)}
    if isinstance(options.coco_json, CocoData):
        found |= {
            "coco_json": options.coco_json.coco_json,
            "images": options.images or options.coco_json.folder,
        }
    elif options.data:
        found |= {"coco_json": options.data}
    return found | {"priority": priority}
