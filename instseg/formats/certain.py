"""Objects of tools in which people label are certain, also those that a model has found first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from instseg.core.events import Notice, OnEvent
from instseg.core.wording import count
from instseg.formats.format import Format
from instseg.formats.labels import Labels


def certain(labels: Labels, read_as: Format, source: str | Path, on_event: OnEvent) -> Labels:
    """Labels without scores, if they are of a tool in which a person has seen them.

    A training takes objects with scores for a detector's findings, and ignores unsure ones.
    """
    scored = sum(each.get("score") is not None for each in labels.annotations)
    if not scored or not read_as.by_hand:
        return labels
    text = f"{source}: {count(scored, 'object')} with a score: certain, as seen in {read_as.title}"
    on_event(Notice(text=text))
    annotations = [
        {key: value for key, value in each.items() if key != "score"} for each in labels.annotations
    ]
    return replace(labels, document={**labels.document, "annotations": annotations})
