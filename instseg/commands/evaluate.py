"""`instseg evaluate`: how good a result is, how sure that is, and why it is not better."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from instseg.atomic import replacing
from instseg.coco_json import match_image_ids, read_results
from instseg.commands.predict_dataset import predict_dataset, process_device, process_rank
from instseg.commands.terminal import console, download_bar, error
from instseg.errors import InputError

if TYPE_CHECKING:
    from instseg.data.coco import CocoData
    from instseg.evaluation.assess import Assessment
    from instseg.evaluation.coco_ap import Kind
    from instseg.predict import Predictor

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Measures COCO AP of a model, or of any program's results, with intervals and causes.

    Writes metrics.json, per_class.csv and plots. Under torchrun, each process predicts its share.

    Args:
        coco_json: The ground truth, a COCO dataset.
        images: Folder of its photos; needed with --weights.
        weights: The model, coco-v2, coco-v1, demo or a path; or use --results.
        architecture: What a .pth file holds, resnet50_fpn or resnet50_fpn_v2.
        results: Measure this instead of a model, a COCO results list or a predictions.json of
            infer.
        against: Other results on the same data, to tell whether the difference is real.
        boundary: Measure boundary AP too, which takes half a millisecond for each mask.
        out: Folder for everything that is written.
        score_threshold: Lower scored predictions are left out; AP needs low ones too.
        max_detections: Of an image; as many as the images' objects ask for if not given.
        resamples: Of images, for the 95% intervals.
        save_thresholds: Store the score threshold with the best F1 of each class in the model
            file (of a named one, in a copy in the --out folder), for infer --thresholds stored.
        referee: Run pycocotools too, and fail if a number differs by more than 1e-9.
        plots: Draw precision and recall, confusion, errors, calibration and classes.
        device: auto, cpu, cuda, cuda:1 or mps.
        precision: Arithmetic; auto takes bf16 where the processor has it natively.
        seed: Of the resamples.
    """

    coco_json: Path
    images: Path | None = None
    weights: str | None = None
    architecture: str | None = None
    results: Path | None = None
    against: Path | None = None
    boundary: bool = False
    out: Path = Path("out/evaluate")
    score_threshold: float = 0.01
    max_detections: int | None = None
    resamples: int = 1000
    save_thresholds: bool = False
    referee: bool = False
    plots: bool = True
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: int = 0


def run(config: EvaluateConfig) -> int:
    """Evaluates, prints, writes; returns 0, or 2 if the numbers would mean nothing."""
    from instseg.commands.evaluate_output import print_assessments, write_assessments
    from instseg.data.coco import CocoData
    from instseg.evaluation.assess import compare

    check(config)
    data = CocoData.read(config.coco_json, config.images or Path())
    truth = data.document()
    results = read(config.results, data, truth) if config.results else predict(config, data, truth)
    if results is None:
        return 0  # the first process evaluates
    kinds = held_kinds(config, truth, results)
    assessments = assess_all(config, truth, results, kinds, config.results)
    comparisons: dict[str, Json] = {}
    if config.against:
        others = read(config.against, data, truth)
        other = assess_all(config, truth, others, kinds, config.against)
        comparisons = {a.kind: compare(b, a) for a, b in zip(assessments, other, strict=True)}
    print_assessments(assessments, comparisons, config.against)
    written = write_assessments(
        config.out, describe(config, truth), assessments, comparisons, plots=config.plots
    )
    if config.save_thresholds:
        written.append(save_thresholds(config, assessments))
    console.print(f"{config.out}: wrote {', '.join(written)}")
    return 0


def describe(config: EvaluateConfig, truth: Json) -> Json:
    """What metrics.json says about the data."""
    crowds = sum(bool(a["iscrowd"]) for a in truth["annotations"])
    return {
        "coco_json": str(config.coco_json),
        "results": str(config.results or config.weights),
        "images": len(truth["images"]),
        "objects": len(truth["annotations"]) - crowds,
        "crowds": crowds,
        "classes": len(truth["categories"]),
        "resamples": config.resamples,
        "seed": config.seed,
    } | ({"against": str(config.against)} if config.against else {})


def check(config: EvaluateConfig) -> None:
    """Raise InputError for options that do not go together."""
    if (config.weights is None) == (config.results is None):
        raise InputError("say what to measure: --weights with --images, or --results")
    if config.weights and not config.images:
        raise InputError("--weights needs --images, the folder of the dataset's photos")
    if config.save_thresholds and not config.weights:
        raise InputError("--save-thresholds needs --weights, the model to store them with")
    if config.resamples < 100:
        raise InputError("--resamples must be at least 100; with fewer the intervals are noise")


def load_predictor(config: EvaluateConfig, data: CocoData, truth: Json) -> Predictor:
    """The model, told to look for the dataset's classes only.

    Raises:
        InputError: No class name is the same.
    """
    from instseg.evaluation.assess import detection_limits
    from instseg.models.mask_rcnn import load_model
    from instseg.predict import Predictor

    weights = str(config.weights)
    with download_bar() as update:
        model = load_model(weights, architecture=config.architecture, progress=update)
    shared = shared_classes(model.card.class_names[1:], data.class_names[1:], weights)
    return Predictor(
        model,
        device=process_device(config.device),
        precision=config.precision,
        score_threshold=config.score_threshold,
        classes=shared,
        max_detections=config.max_detections or detection_limits(truth)[-1],
    )


def shared_classes(found: Sequence[str], wanted: Sequence[str], source: str) -> list[str]:
    """Names that both have; says which the dataset has beyond them.

    Raises:
        InputError: There is none.
    """
    shared = [name for name in found if name in wanted]
    missing = [name for name in wanted if name not in found]
    if not shared:
        raise InputError(
            f"{source}: knows none of the dataset's classes: it knows {_some(found)}, the dataset "
            f"has {_some(wanted)}; classes are matched by name, so rename the categories, or "
            "fine-tune on the dataset"
        )
    if missing and process_rank() == 0:
        error(
            f"{source}: does not know {len(missing)} of the dataset's {len(wanted)} classes, which "
            f"count as never found: {_some(missing)}"
        )
    return shared


def predict(config: EvaluateConfig, data: CocoData, truth: Json) -> list[Json] | None:
    """Results of the model, also written as predictions.json; None but in the first process."""
    results = predict_dataset(load_predictor(config, data, truth), data)
    if results is not None:
        numbered = [{"id": i, **record} for i, record in enumerate(results, start=1)]
        config.out.mkdir(parents=True, exist_ok=True)
        with replacing(config.out / "predictions.json") as path:
            path.write_text(json.dumps({**truth, "annotations": numbered}) + os.linesep)
    return results


def read(path: Path, data: CocoData, truth: Json) -> list[Json]:
    """Results of a file, in the ids of the dataset.

    A document says what its ids mean: photos are found by file name, classes by name.
    """
    found = read_results(path)
    if found.images is None or found.categories is None:
        return found.results
    shared_classes([c.name for c in found.categories], data.class_names[1:], str(path))
    by_name = match_image_ids(
        {image.file_name: image.id for image in data.images},
        [image.file_name for image in found.images],
    )
    if not by_name:
        raise InputError(
            f"{path}: has none of the dataset's photos; they are matched by file name, and it has "
            f"{_some([image.file_name for image in found.images])}"
        )
    if len(by_name) < len(data.images):
        error(
            f"{path}: has {len(by_name)} of the dataset's {len(data.images)} photos, by their file "
            "names; in the others all objects count as missed"
        )
    ids = dict(zip(data.class_names, data.category_ids, strict=True))
    image_ids = {i.id: by_name[i.file_name] for i in found.images if i.file_name in by_name}
    category_ids = {c.id: ids[c.name] for c in found.categories if c.name in ids}
    return [
        {**r, "image_id": image_ids[r["image_id"]], "category_id": category_ids[r["category_id"]]}
        for r in found.results
        if r.get("image_id") in image_ids and r.get("category_id") in category_ids
    ]


def held_kinds(config: EvaluateConfig, truth: Json, results: Sequence[Json]) -> list[Kind]:
    """Boxes and masks, where truth and results hold them, and boundaries if they are wanted."""
    first = results[0] if results else {"bbox": None, "segmentation": None}
    without = [a for a in truth["annotations"] if not a["segmentation"]]
    masks = "segmentation" in first and len(without) < len(truth["annotations"])
    if masks and without:
        raise InputError(
            f"{config.coco_json}: {len(without)} annotations have no outline, for example of image "
            f"{without[0]['image_id']}, the others have; `instseg doctor --fix` drops them"
        )
    kinds: list[Kind] = ["bbox"] if "bbox" in first or not masks else []
    kinds += ["segm"] if masks else []
    return [*kinds, "boundary"] if masks and config.boundary else kinds


def assess_all(
    config: EvaluateConfig,
    truth: Json,
    results: Sequence[Json],
    kinds: Sequence[Kind],
    source: Path | None,
) -> list[Assessment]:
    """Each kind in turn, after a look for what would make its numbers meaningless.

    Raises:
        InputError: They would mean nothing, or pycocotools has others.
    """
    from instseg.evaluation.assess import assess
    from instseg.evaluation.referee import disagreements, referee_scores
    from instseg.evaluation.silent_zeros import explain_zeros

    name = source or config.weights
    assessments: list[Assessment] = []
    said = set()
    for kind in kinds:
        for problem in explain_zeros(truth, results, kind):
            if problem.severity == "error":
                raise InputError(f"{name}: {problem.message}")
            if problem.code not in said:
                error(f"{name}: {problem.message}")
                said.add(problem.code)
        found = assess(truth, results, kind, resamples=config.resamples, seed=config.seed)
        if config.referee and kind != "boundary":  # pycocotools does not know boundaries
            referee = referee_scores(truth, results, kind)
            if wrong := disagreements(found.evaluation.scores, referee):
                raise InputError(
                    f"{name}: pycocotools has other numbers for {kind}: {', '.join(wrong)}; "
                    "please report this with the files"
                )
        assessments.append(found)
    return assessments


def save_thresholds(config: EvaluateConfig, assessments: Sequence[Assessment]) -> str:
    """Store the best thresholds, of masks if they were measured; returns where."""
    from instseg.evaluation.assess import thresholds
    from instseg.model_file import read_model_card, with_card
    from instseg.models.mask_rcnn import load_model
    from instseg.weights import NAMED, locate

    by_kind = {found.kind: thresholds(found) for found in assessments}
    best = by_kind.get("segm") or by_kind["bbox"]
    weights = str(config.weights)
    source = locate(weights)
    own = weights not in NAMED and source.suffix == ".safetensors"
    target = source if own else config.out / f"{Path(weights).stem}.safetensors"
    if source.suffix == ".safetensors":
        with_card(source, replace(read_model_card(source), thresholds=best), target)
    else:
        model = load_model(weights, architecture=config.architecture)
        replace(model, card=replace(model.card, thresholds=best)).save(target)
    return str(target)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
