"""The label errors of a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from instseg.evaluation.label_errors import KINDS, LIKELY, LabelError
from instseg.evaluation.report_photos import Photos
from instseg.report.components import Number, Numbers, Prose, Section, Table

MOST_ROWS = 200


def label_errors(errors: Sequence[LabelError], photos: Photos | None) -> Section:
    """How many are likely, and a table of the most likely ones.

    Args:
        errors: The most likely first.
        photos: The photos of the report, if any, where they are corrected.
    """
    likely = Counter(each.kind for each in errors if each.score >= LIKELY)
    numbers = [Number(label=kind, value=f"{likely[kind]:,}", detail="likely") for kind in KINDS]
    paragraphs = [
        "Annotations that are likely wrong: missing, an object without one; spurious, one without "
        "an object; of the wrong class; or badly placed. The probability is an estimate from the "
        "predictions and how well they agree with the other annotations; likely are those from "
        f"{LIKELY} on."
    ]
    if photos is not None and photos.suggested and photos.suggested.chosen:
        paragraphs.append(
            "Under Photos, each can be accepted or refused, and the corrected dataset saved."
        )
    rows = [
        [
            each.kind,
            each.score,
            each.file_name,
            each.annotation_id,
            each.category,
            each.suggested_category,
            each.iou,
        ]
        for each in errors[:MOST_ROWS]
    ]
    columns = ["kind", "probability", "photo", "annotation", "class", "predicted class", "IoU"]
    more = f"The {MOST_ROWS} most likely of {len(errors):,}" if len(errors) > MOST_ROWS else ""
    table = Table(title=more, columns=columns, rows=rows)
    return Section(
        title="Likely label errors",
        components=[Numbers(numbers=numbers), Prose(paragraphs=paragraphs), table],
    )
