"""`instseg evaluate`: metrics, confidence intervals and error analysis."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from instseg.commands.listener import Listener
from instseg.commands.terminal import console
from instseg.core.events import ignore
from instseg.core.wording import count
from instseg.evaluation.options import EvaluateOptions
from instseg.system.allocation import keep_freed_memory
from instseg.system.processes import process_rank

if TYPE_CHECKING:
    from instseg.evaluation.result import Evaluation


@dataclass(frozen=True, kw_only=True)
class Options(EvaluateOptions):
    """The options of the command line: only paths, and a default output folder."""

    coco_json: Path | None = None
    images: Path | None = None
    data: Path | None = None
    weights: str | None = None
    results: Path | None = None
    against: Path | None = None
    about: Path | None = None
    out: Path = Path("out/evaluate")


Options.__doc__ = EvaluateOptions.__doc__  # the help text


def run(config: Options) -> int:
    """Evaluates, prints, writes; returns 0."""
    from instseg.commands.evaluate_output import print_evaluation
    from instseg.commands.label_errors_output import print_label_errors
    from instseg.evaluation.evaluate import evaluate

    keep_freed_memory()
    with Listener() as show:
        options = {**vars(config), "on_event": ignore if process_rank() else show}
        found = evaluate(**options)
    if process_rank():
        return 0  # only the first process prints
    print_evaluation(found, config.against)
    if found.label_errors is not None:
        print_label_errors(found.label_errors)
    if found.model_file:
        console.print(f"{found.model_file}: holds {_stored(config, found)}")
    console.print(f"{config.out}: wrote {', '.join(path.name for path in found.files)}")
    return 0


def _stored(config: Options, found: Evaluation) -> str:
    """What the model file holds now: the metrics, score thresholds, or both."""
    from instseg.evaluation.operating_points import LEAST_OBJECTS
    from instseg.evaluation.result import SUBJECTS

    words = ["these metrics"] if config.save_metrics else []
    rated = found.rated
    if config.save_thresholds and rated.overall_threshold is None:
        words.append("no score thresholds, as no object was found")
    elif config.save_thresholds:
        own = sum(row.objects >= LEAST_OBJECTS for row in rated.per_class)
        words.append(
            f"score thresholds by {SUBJECTS[rated.kind]}: {count(own, 'class')} by their own "
            f"objects, those with fewer than {LEAST_OBJECTS} have {rated.overall_threshold:.3f}"
        )
    return " and ".join(words)
