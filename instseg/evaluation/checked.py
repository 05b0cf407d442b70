"""Assessments of results, after checks for problems that would make them meaningless."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from instseg.core.errors import InputError
from instseg.core.events import Notice, OnEvent, Warned
from instseg.core.json_types import Json
from instseg.evaluation.assess import Assessment, assess
from instseg.evaluation.coco_ap import Kind
from instseg.evaluation.referee import disagreements, referee_scores
from instseg.evaluation.result import SUBJECTS
from instseg.evaluation.silent_zeros import explain_zeros


@dataclass(frozen=True, kw_only=True, eq=False)
class Assessed:
    """Results and their assessments, one for each kind.

    Attributes:
        name: Name of the results in messages.
        results: COCO results.
        assessments: Boxes, masks, boundaries, as far as they were measured.
    """

    name: str
    results: Sequence[Json]
    assessments: Sequence[Assessment]


def assess_checked(
    truth: Json,
    results: Sequence[Json],
    kinds: Sequence[Kind],
    *,
    name: str,
    resamples: int,
    seed: int,
    referee: bool,
    on_event: OnEvent,
) -> Assessed:
    """Assess each kind.

    Args:
        truth: A COCO document.
        results: COCO results.
        kinds: What to measure.
        name: Name of the results in messages.
        resamples: Number of resamples for the intervals.
        seed: Their random seed.
        referee: Compare with pycocotools.
        on_event: Called with warnings, each once.

    Raises:
        InputError: The metrics would be meaningless, or those of pycocotools differ.
    """
    assessments: list[Assessment] = []
    said: set[str] = set()
    for kind in kinds:
        for problem in explain_zeros(truth, results, kind):
            if problem.severity == "error":
                raise InputError(f"{name}: {problem.message}")
            if problem.code not in said:
                on_event(Warned(text=f"{name}: {problem.message}"))
                said.add(problem.code)
        found = assess(truth, results, kind, resamples=resamples, seed=seed)
        if referee and kind != "boundary":  # pycocotools has no boundary AP
            wrong = disagreements(found.evaluation.scores, referee_scores(truth, results, kind))
            if wrong:
                raise InputError(
                    f"{name}: pycocotools has other numbers for {kind}: {', '.join(wrong)}; "
                    "please report this with the files"
                )
            text = f"pycocotools has the same numbers for {SUBJECTS[kind]} of {name}"
            on_event(Notice(text=text))
        assessments.append(found)
    return Assessed(name=name, results=results, assessments=assessments)
