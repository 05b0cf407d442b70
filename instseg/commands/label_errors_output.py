"""What `instseg evaluate --label-errors` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from instseg.commands.terminal import console, table
from instseg.core.wording import LONGEST_NAME, count, number, printable
from instseg.evaluation.label_errors import LIKELY, LabelError

SHOWN = 20
LONGEST_PHOTO = 40


def print_label_errors(errors: Sequence[LabelError]) -> None:
    """Print the most likely ones, which come first, and how many of each kind are likely."""
    console.print("")
    if not errors:
        console.print("no annotation is likely wrong")
        return
    columns = ["likely label error", "probability", "photo", "annotation", "class", "suggested"]
    rows = [
        [
            each.kind,
            number(each.score),
            _short(each.file_name or str(each.image_id)),
            "-" if each.annotation_id is None else str(each.annotation_id),
            printable(each.category or "-")[:LONGEST_NAME],
            printable(each.suggested_category or "-")[:LONGEST_NAME],
            number(each.iou),
        ]
        for each in errors[:SHOWN]
    ]
    table([*columns, "IoU"], rows)
    if len(errors) > SHOWN:
        console.print(f"the {SHOWN} most likely of {len(errors):,}; all in label_errors.json")
    likely = Counter(each.kind for each in errors if each.score >= LIKELY)
    kinds = ", ".join(f"{n} {kind}" for kind, n in likely.most_common())
    console.print(
        f"{count(sum(likely.values()), 'error')} with a probability of at least {LIKELY}"
        f"{': ' if kinds else ''}{kinds}"
    )


def _short(name: str) -> str:
    """The end of a long name, which tells photos of one folder apart."""
    text = printable(name)
    return text if len(text) <= LONGEST_PHOTO else f"...{text[3 - LONGEST_PHOTO :]}"
