"""`evaluate`: metrics of a model or a list of results on a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import KW_ONLY, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from instseg.core.errors import ArgumentError, InputError, require_between
from instseg.core.events import OnEvent, Warned, ignore
from instseg.core.json_types import Json
from instseg.core.options import python_only, takes
from instseg.system.lock import only_run_in
from instseg.system.processes import from_first, joined_processes, process_rank

if TYPE_CHECKING:
    from instseg.data.coco import CocoData
    from instseg.evaluation.result import Evaluation
    from instseg.models.mask_rcnn import Model

MOST_RESAMPLES = 100_000  # memory use grows with it

Results = str | Path | Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class EvaluateOptions:
    """Measures COCO AP of a model or of existing results, with confidence intervals.

    Also breaks the loss of AP down by type of error. Writes metrics.json, per_class.csv and plots.
    Under torchrun, the photos are divided between the processes.

    Args:
        coco_json: Ground truth: a COCO dataset.
        images: Folder of its photos; needed to evaluate a model.
        data: Instead of `coco_json`: labels of any format that convert reads; of several splits,
            val or else test. `images` is only needed if the photos are not where the labels say.
        weights: Model to evaluate: coco-v2, coco-v1, photos, demo or a path, also of an exported
            file; or give `results`.
        architecture: Architecture of a .pth file: resnet50_fpn or resnet50_fpn_v2.
        results: Existing results to evaluate instead of a model: a COCO results list or a
            predictions.json of infer.
        against: Other results on the same dataset; tests whether the difference is significant.
        boundary: Also compute boundary AP, which takes half a millisecond per mask.
        out: Output folder.
        score_threshold: Minimum score of predictions, 0 to 1; AP needs low scores too.
        max_detections: At most this many detections per photo; by default as many as the
            objects in the photos require.
        resamples: Number of random half-samples of the photos for the 95% confidence intervals.
        save_thresholds: Store a score threshold for each class in the model file (of a named
            model, in a copy in the output folder), which infer and Predictor then use: the best F1
            with a precision of at least 0.45; for classes with fewer than 20 objects, the threshold
            of all classes together.
        save_metrics: Store the metrics in the model file, where info shows them.
        about: YAML file with data, licence and not_for, which `save_metrics` stores too.
        referee: Also run pycocotools, and fail if a number differs by more than 1e-9.
        plots: Plot precision-recall curves, confusion matrix, error types, calibration and AP per
            class.
        label_errors: Rank annotations that are likely wrong: missing, spurious, of the wrong class
            or badly placed; written to label_errors.json. With `report`, each can be accepted or
            refused in report.html, and the corrected dataset downloaded.
        report: Write report.html: all of this on one page, with the photos of `images`, their
            objects and detections, and what is right and wrong.
        device: auto, cpu, cuda, cuda:1 or mps.
        engine: What runs the model: torch, openvino or onnxruntime; auto is torch, or what runs an
            exported file.
        precision: Floating-point precision; auto uses bf16 if the processor supports it natively.
            int8 is for exported int8 files.
        memory: Limit for the memory of the process, such as 4GB, 512MB or 2GiB; by default what is
            free. Fewer photos are read ahead where they would need more.
        seed: Random seed of the half-samples.
        on_event: Called with progress and warnings.
    """

    coco_json: str | Path | CocoData | None = None
    images: str | Path | None = None
    _: KW_ONLY
    data: str | Path | None = None
    weights: str | Path | Model | None = None
    architecture: str | None = None
    results: Results | None = None
    against: Results | None = None
    boundary: bool = False
    out: str | Path | None = None
    score_threshold: float = 0.01
    max_detections: int | None = None
    resamples: int = 1000
    save_thresholds: bool = False
    save_metrics: bool = False
    about: str | Path | None = None
    referee: bool = False
    plots: bool = True
    label_errors: bool = False
    report: bool = False
    device: str = "auto"
    engine: Literal["auto", "torch", "openvino", "onnxruntime"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "int8"] = "auto"
    memory: str | None = None
    seed: int = 0
    on_event: OnEvent = python_only(ignore)

    @property
    def name(self) -> str:
        """The name of the model or results in messages and metrics.json."""
        if self.results is not None:
            return _name(self.results, "results")
        return _name(self.weights, "weights")

    @property
    def folder(self) -> Path | None:
        """The output folder, if any."""
        return None if self.out is None else Path(self.out)


def _name(given: object, otherwise: str) -> str:
    return str(given) if isinstance(given, str | Path) else otherwise


@takes(EvaluateOptions)
def evaluate(options: EvaluateOptions) -> Evaluation:
    """Measure COCO AP of a model, or of any program's results, with an error analysis.

        found = instseg.evaluate("val.json", "photos/", weights="best.safetensors")
        found.segm.AP, found.segm.interval("AP")

    Nothing is written unless `out` is given. Under torchrun, the photos are divided between the
    processes, the first one evaluates, and all return the same result.

    Raises:
        InputError: Arguments do not go together, a file is broken, or the metrics would be
            meaningless.
    """
    from instseg.data.labels import doubtful_truth
    from instseg.evaluation.assess import detection_limits
    from instseg.evaluation.read_results import results_of
    from instseg.evaluation.truth_problems import explain_truth
    from instseg.evaluation.write import write_predictions

    _check(options)
    data = _dataset(options)
    truth = data.document()
    if problems := explain_truth(truth):  # before hours of prediction
        raise InputError(f"{data.coco_json}: {problems[0].message}")
    if process_rank() == 0:
        for text in doubtful_truth(data):
            options.on_event(Warned(text=f"{data.coco_json}: {text}"))
    folder = options.folder if process_rank() == 0 else None
    with only_run_in(folder) if folder else nullcontext():
        if options.results is not None:
            given = results_of(options.results, data, name=options.name, on_event=options.on_event)
            return _measure(options, data, truth, given)
        assert options.weights is not None  # as `_check` has seen
        from instseg.evaluation.predict_results import predict_results  # which loads torch

        with joined_processes():
            found = predict_results(
                options.weights,
                data,
                name=options.name,
                architecture=options.architecture,
                device=options.device,
                engine=options.engine,
                precision=options.precision,
                memory=options.memory,
                score_threshold=options.score_threshold,
                max_detections=options.max_detections or detection_limits(truth)[-1],
                on_event=options.on_event,
            )
            if found is not None and folder:
                write_predictions(folder, truth, found)
            return _shared(None if found is None else _measure(options, data, truth, found))


def _check(options: EvaluateOptions) -> None:
    """Raise InputError for options that do not go together."""
    from instseg.evaluation.save_to_model import check_model_file
    from instseg.evaluation.write import METRICS_JSON, PREDICTIONS_JSON

    if (options.coco_json is None) == (options.data is None):
        raise ArgumentError("say what to measure on: {coco_json} or {data}")
    if (options.weights is None) == (options.results is None):
        raise ArgumentError("say what to measure: {weights} with {images}, or {results}")
    is_file = isinstance(options.coco_json, str | Path)
    needs_images = options.weights is not None and is_file
    if needs_images and not options.images:
        raise ArgumentError("{weights} needs {images}, the folder of the dataset's photos")
    if options.report and options.out is None:
        raise ArgumentError("{report} needs {out}, the folder to write it to")
    check_model_file(
        options.weights,
        options.out,
        thresholds=options.save_thresholds,
        metrics=options.save_metrics,
        about=options.about,
    )
    if not 100 <= options.resamples <= MOST_RESAMPLES:
        raise ArgumentError(
            f"{{resamples}} must be 100, with fewer the intervals are noise, to {MOST_RESAMPLES:,}",
            resamples=options.resamples,
        )
    require_between(0, 1, score_threshold=options.score_threshold)
    require_between(1, max_detections=options.max_detections)
    require_between(0, seed=options.seed)
    if options.folder:
        names = [METRICS_JSON, *([PREDICTIONS_JSON] if options.weights is not None else [])]
        written = [(options.folder / name).resolve() for name in names]
        for given in (options.coco_json, options.results, options.against):
            if isinstance(given, str | Path) and Path(given).resolve() in written:
                raise ArgumentError(f"{given}: would be overwritten; choose another {{out}}")


def _dataset(options: EvaluateOptions) -> CocoData:
    from instseg.data.any_format import FOR_MEASURING, read_dataset
    from instseg.data.coco import CocoData

    given = options.coco_json
    if options.data is not None:
        found = read_dataset(options.data, options.images, on_event=options.on_event)
        split = found.first_of(FOR_MEASURING, options.on_event, "measures on")
        return found.coco(split, options.folder)
    assert given is not None, "the options were checked"
    if isinstance(given, CocoData):
        return replace(given, folder=Path(options.images)) if options.images else given
    path, folder = Path(given), Path(options.images or "")
    try:
        return CocoData.read(path, folder)
    except InputError:
        if options.results is None:
            raise
    data = CocoData.read(path, folder, boxes_only=True)  # or it raises the same error
    text = f"{path}: has photos without a height or width, so only boxes are measured"
    options.on_event(Warned(text=text))
    return data


def _shared(evaluation: Evaluation | None) -> Evaluation:
    """The first process's evaluation, in every process."""
    try:
        found = from_first(evaluation)
    except RuntimeError as error:
        raise InputError("another process has failed; its own message says why") from error
    assert found is not None
    return found


def _measure(
    options: EvaluateOptions, data: CocoData, truth: Json, results: Sequence[Json]
) -> Evaluation:
    """Assess each kind, compare, and write the files."""
    from instseg.evaluation.assess import score_differences
    from instseg.evaluation.checked import assess_checked
    from instseg.evaluation.label_errors import label_errors_of
    from instseg.evaluation.plots import write_plots
    from instseg.evaluation.read_results import measurable_kinds, results_of
    from instseg.evaluation.report import photos_of, write_report
    from instseg.evaluation.report_scores import Measured
    from instseg.evaluation.result import Evaluation
    from instseg.evaluation.write import write_label_errors, write_scores

    kinds = measurable_kinds(
        truth, results, boundary=options.boundary, coco_json=data.coco_json, name=options.name
    )
    checked = partial(
        assess_checked,
        truth,
        kinds=kinds,
        resamples=options.resamples,
        seed=options.seed,
        referee=options.referee,
        on_event=options.on_event,
    )
    found, other = checked(results, name=options.name), None
    if options.against is not None:
        name = _name(options.against, "against")
        others = results_of(options.against, data, name=name, on_event=options.on_event)
        other = checked(others, name=name)
    pairs = zip(other.assessments, found.assessments, strict=True) if other else ()
    of_kind = {each.kind: each.summary for each in found.assessments}
    evaluation = Evaluation(
        bbox=of_kind.get("bbox"),
        segm=of_kind.get("segm"),
        boundary=of_kind.get("boundary"),
        comparison={new.kind: score_differences(old, new) for old, new in pairs},
        data=_describe(options, data, truth),
        label_errors=(
            label_errors_of(data, truth, results, "segm" if "segm" in kinds else "bbox")
            if options.label_errors
            else None
        ),
    )
    if options.folder:
        files = write_scores(options.folder, evaluation)
        files += write_plots(options.folder, found.assessments) if options.plots else []
        files += [write_label_errors(options.folder, evaluation)] if options.label_errors else []
        if options.report:
            measured = Measured(evaluation=evaluation, truth=truth, found=found, other=other)
            is_file = isinstance(options.coco_json, str | Path)
            has_photos = options.images is not None or not is_file
            photos = photos_of(measured, data if has_photos else None, options.on_event)
            files.append(write_report(options.folder, measured, photos).html)
        evaluation = replace(evaluation, files=tuple(files))
    return _stored(options, evaluation)


def _stored(options: EvaluateOptions, evaluation: Evaluation) -> Evaluation:
    """Store what is asked for in the model file."""
    from instseg.evaluation.save_to_model import save_to_model

    if not (options.save_thresholds or options.save_metrics):
        return evaluation
    stored = save_to_model(
        str(options.weights),
        options.architecture,
        options.folder,
        evaluation,
        thresholds=options.save_thresholds,
        metrics=options.save_metrics,
        about=options.about,
    )
    return replace(evaluation, model_file=stored)


def _describe(options: EvaluateOptions, data: CocoData, truth: Json) -> Json:
    """The description of the data in metrics.json."""
    crowds = sum(bool(a["iscrowd"]) for a in truth["annotations"])
    described = {
        "coco_json": str(data.coco_json),
        "results": options.name,
        "images": len(truth["images"]),
        "objects": len(truth["annotations"]) - crowds,
        "crowds": crowds,
        "classes": len(truth["categories"]),
        "resamples": options.resamples,
        "seed": options.seed,
    }
    if options.against is not None:
        described["against"] = _name(options.against, "against")
    return described
