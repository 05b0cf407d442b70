"""`instseg evaluate`: how good a result is, how sure that is, and why it is not better."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from instseg.commands.evaluate_input import held_kinds, read, shared_classes
from instseg.commands.listener import Listener
from instseg.commands.terminal import console, download_bar, error
from instseg.core.errors import InputError
from instseg.predict.dataset import predict_dataset
from instseg.system.atomic import make_folder, replacing
from instseg.system.processes import joined_processes, process_device

if TYPE_CHECKING:
    from instseg.data.coco import CocoData
    from instseg.evaluation.assess import Assessment
    from instseg.evaluation.coco_ap import Kind
    from instseg.predict.predictor import Predictor

Json = dict[str, Any]

PREDICTIONS = "predictions.json"
MOST_RESAMPLES = 100_000  # memory follows it


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
    from instseg.evaluation.assess import compare_assessments
    from instseg.evaluation.truth_problems import explain_truth

    check(config)
    data = CocoData.read(config.coco_json, config.images or Path())
    truth = data.document()
    for problem in explain_truth(truth):  # before hours of prediction
        raise InputError(f"{config.coco_json}: {problem.message}")
    results = read(config.results, data) if config.results else predict(config, data, truth)
    if results is None:
        return 0  # the first process evaluates
    kinds = held_kinds(config, truth, results)
    assessments = assess_all(config, truth, results, kinds, config.results)
    comparisons: dict[str, Json] = {}
    if config.against:
        others = read(config.against, data)
        other = assess_all(config, truth, others, kinds, config.against)
        comparisons = {
            a.kind: compare_assessments(b, a) for a, b in zip(assessments, other, strict=True)
        }
    print_assessments(assessments, comparisons, config.against)
    written = write_assessments(
        config.out, describe(config, truth), assessments, comparisons, plots=config.plots
    )
    if config.save_thresholds:
        path, count, kind = save_thresholds(config, assessments)
        console.print(f"{path}: holds the best thresholds of {count} classes, by their {kind}")
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
    if not 100 <= config.resamples <= MOST_RESAMPLES:
        raise InputError(
            f"--resamples must be 100, with fewer the intervals are noise, to {MOST_RESAMPLES:,}"
        )
    if not 0 <= config.score_threshold <= 1:
        raise InputError("--score-threshold must lie between 0 and 1")
    if config.max_detections is not None and config.max_detections < 1:
        raise InputError("--max-detections must be at least 1")
    if config.seed < 0:
        raise InputError("--seed must be 0 or more")
    names = ["metrics.json", *([PREDICTIONS] if config.weights else [])]
    written = [(config.out / name).resolve() for name in names]
    for given in (config.coco_json, config.results, config.against):
        if given and given.resolve() in written:
            raise InputError(f"{given}: would be overwritten; choose another --out")
    make_folder(config.out)


def load_predictor(config: EvaluateConfig, data: CocoData, truth: Json) -> Predictor:
    """The model, told to look for the dataset's classes only.

    Raises:
        InputError: No class name is the same.
    """
    from instseg.evaluation.assess import detection_limits
    from instseg.models.mask_rcnn import load_model
    from instseg.predict.predictor import Predictor

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


def predict(config: EvaluateConfig, data: CocoData, truth: Json) -> list[Json] | None:
    """Results of the model, also written as predictions.json; None but in the first process."""
    predictor = load_predictor(config, data, truth)
    with joined_processes(), Listener() as show:
        results = predict_dataset(predictor, data, on_event=show)
    if results is not None:
        numbered = [{"id": i, **record} for i, record in enumerate(results, start=1)]
        with replacing(config.out / PREDICTIONS) as path:
            path.write_text(json.dumps({**truth, "annotations": numbered}) + os.linesep)
    return results


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
    from instseg.commands.evaluate_output import SUBJECTS
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
            console.print(f"pycocotools has the same numbers for {SUBJECTS[kind]} of {name}")
        assessments.append(found)
    return assessments


def save_thresholds(
    config: EvaluateConfig, assessments: Sequence[Assessment]
) -> tuple[Path, int, str]:
    """Store the best thresholds, of masks if they were measured; where, how many, of what."""
    from instseg.commands.evaluate_output import SUBJECTS
    from instseg.evaluation.assess import thresholds
    from instseg.files.model_file import read_model_card, with_card
    from instseg.files.weights import NAMED, locate
    from instseg.models.mask_rcnn import load_model

    by_kind = {found.kind: thresholds(found) for found in assessments}
    kind: Kind = "segm" if "segm" in by_kind else "bbox"
    best = by_kind[kind]
    weights = str(config.weights)
    source = locate(weights)
    own = weights not in NAMED and source.suffix == ".safetensors"
    target = source if own else config.out / f"{Path(weights).stem}.safetensors"
    if source.suffix == ".safetensors":
        with_card(source, replace(read_model_card(source), thresholds=best), target)
    else:
        model = load_model(weights, architecture=config.architecture)
        replace(model, card=replace(model.card, thresholds=best)).save(target)
    return target, len(best), SUBJECTS[kind]
