"""AP of a model and of its exported file on the same photos."""

from __future__ import annotations

from collections.abc import Callable

from instseg.core.events import OnEvent, told
from instseg.core.instances import Instances
from instseg.core.json_types import Json
from instseg.data.coco import CocoData
from instseg.engines.runtimes import Run
from instseg.evaluation.evaluate import evaluate
from instseg.exporting.agreement import Reference, ScoreDifference, as_detections
from instseg.predict.dataset import coco_records
from instseg.predict.instances import to_instances

LEAST_SCORE = 0.01  # AP needs low scores, as in `evaluate`


def ap_differences(
    data: CocoData, reference: Reference, run_all: Callable[[float], Run], on_event: OnEvent
) -> dict[str, ScoreDifference]:
    """AP of both with all scores above 0.01, and their difference with its interval.

    Args:
        data: Photos and ground truth.
        reference: The model in torch.
        run_all: Gives what runs the file, with this score threshold for all classes.
        on_event: Called with progress.
    """
    run = run_all(LEAST_SCORE)
    names = reference.class_names
    of_model: list[Json] = []
    of_file: list[Json] = []
    for row in told(range(len(data)), on_event, "measuring AP", total=len(data)):
        image = data.photo(row)
        size_hw = (image.shape[0], image.shape[1])
        expected = to_instances(reference(image, LEAST_SCORE), size_hw, names)
        found = to_instances(as_detections(run(image)), size_hw, names)
        of_model += _known(expected, data, row)
        of_file += _known(found, data, row)
    measured = evaluate(data, results=of_file, against=of_model, plots=False)
    table: dict[str, ScoreDifference] = {}
    for kind, rows in measured.comparison.items():
        change = rows["AP"]
        scores = measured.segm if kind == "segm" else measured.bbox
        if scores is None or change.difference is None:
            continue
        table[kind] = ScoreDifference(
            model=scores.AP - change.difference,
            file=scores.AP,
            difference=change.difference,
            interval=change.interval,
        )
    return table


def _known(instances: Instances, data: CocoData, row: int) -> list[Json]:
    """The instances of the dataset's classes in a photo as COCO results."""
    ids = data.category_ids[1:]
    return [each for each in coco_records(instances, data, row) if each["category_id"] in ids]
