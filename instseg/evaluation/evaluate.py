"""`evaluate`: metrics of a model or a list of results on a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

from instseg.core.errors import ArgumentError, InputError, require_between
from instseg.core.events import Warned
from instseg.core.json_types import Json
from instseg.core.options import takes
from instseg.data.any_format import FOR_MEASURING, read_dataset
from instseg.data.coco import CocoData
from instseg.data.labels import doubtful_truth
from instseg.evaluation.assess import detection_limits, score_differences
from instseg.evaluation.checked import assess_checked
from instseg.evaluation.label_errors import label_errors_of
from instseg.evaluation.options import EvaluateOptions, name_of
from instseg.evaluation.plots import write_plots
from instseg.evaluation.read_results import measurable_kinds, results_of
from instseg.evaluation.report import photos_of, write_report
from instseg.evaluation.report_scores import Measured
from instseg.evaluation.result import Evaluation
from instseg.evaluation.save_to_model import check_model_file, save_to_model
from instseg.evaluation.truth_problems import explain_truth
from instseg.evaluation.write import (
    METRICS_JSON,
    PREDICTIONS_JSON,
    write_label_errors,
    write_predictions,
    write_scores,
)
from instseg.system.lock import only_run_in
from instseg.system.processes import from_first, joined_processes, process_rank

MOST_RESAMPLES = 100_000  # memory use grows with it


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
                tile=options.tile,
                score_threshold=options.score_threshold,
                max_detections=options.max_detections or detection_limits(truth)[-1],
                on_event=options.on_event,
            )
            if found is not None and folder:
                write_predictions(folder, truth, found)
            return _shared(None if found is None else _measure(options, data, truth, found))


def _check(options: EvaluateOptions) -> None:
    """Raise InputError for options that do not go together."""
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

    given = options.coco_json
    if options.data is not None:
        found = read_dataset(options.data, options.images, things=True, on_event=options.on_event)
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
        name = name_of(options.against, "against")
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
        measured = Measured(evaluation=evaluation, truth=truth, found=found, other=other)
        files = _written(options, options.folder, data, measured)
        evaluation = replace(evaluation, files=tuple(files))
    return _stored(options, evaluation)


def _written(
    options: EvaluateOptions, folder: Path, data: CocoData, measured: Measured
) -> list[Path]:
    """The files of an evaluation, written into a folder."""
    files = write_scores(folder, measured.evaluation)
    files += write_plots(folder, measured.found.assessments) if options.plots else []
    files += [write_label_errors(folder, measured.evaluation)] if options.label_errors else []
    if options.report:
        is_file = isinstance(options.coco_json, str | Path)
        has_photos = options.images is not None or not is_file
        photos = photos_of(measured, data if has_photos else None, options.on_event)
        files.append(write_report(folder, measured, photos).html)
    return files


def _stored(options: EvaluateOptions, evaluation: Evaluation) -> Evaluation:
    """Store what is asked for in the model file."""
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
        described["against"] = name_of(options.against, "against")
    return described
