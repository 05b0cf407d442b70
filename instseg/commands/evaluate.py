"""`instseg evaluate`: metrics, confidence intervals and error analysis."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from instseg.commands.evaluate_output import print_evaluation
from instseg.commands.listener import Listener
from instseg.commands.terminal import console
from instseg.core.events import ignore
from instseg.core.wording import count
from instseg.evaluation.evaluate import EvaluateOptions, evaluate
from instseg.evaluation.result import SUBJECTS
from instseg.system.processes import process_rank


@dataclass(frozen=True, kw_only=True)
class Options(EvaluateOptions):
    """The options of the command line: only paths, and a default output folder."""

    coco_json: Path
    images: Path | None = None
    weights: str | None = None
    results: Path | None = None
    against: Path | None = None
    out: Path = Path("out/evaluate")


Options.__doc__ = EvaluateOptions.__doc__  # the help text


def run(config: Options) -> int:
    """Evaluates, prints, writes; returns 0."""
    with Listener() as show:
        options = {**vars(config), "on_event": ignore if process_rank() else show}
        found = evaluate(**options)
    if process_rank():
        return 0  # only the first process prints
    print_evaluation(found, config.against)
    if found.thresholds_file:
        classes, kind = count(len(found.thresholds), "class"), SUBJECTS[found.main.kind]
        console.print(
            f"{found.thresholds_file}: holds the best thresholds of {classes}, by their {kind}"
        )
    console.print(f"{config.out}: wrote {', '.join(path.name for path in found.files)}")
    return 0
