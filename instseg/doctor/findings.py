"""What the doctor finds: a rule, and the records that break it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from instseg.doctor.rules import RULES, Fix, Severity

SHOWN_IDS = 10


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One kind of problem in one part of a dataset.

    Attributes:
        code: Stable name, a key of `RULES`.
        severity: "error" breaks or falsifies training or evaluation, "warning" probably does, a
            "note" is worth knowing.
        message: The problem, and its remedy or consequence.
        count: Number of affected records, or classes of the validation set.
        ids: The ids of the first `SHOWN_IDS`; "annotations[3]" for a record without a sound id.
        fix: What `repair` does with the records.
        section: The list of the document that holds the records; "" for the document itself.
        rows: Their places in that list.
    """

    code: str
    severity: Severity
    message: str
    count: int
    ids: tuple[int | str, ...]
    fix: Fix | None
    section: str
    rows: tuple[int, ...] = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """The finding for a JSON file, without the rows."""
        keys = ("code", "severity", "count", "section", "ids", "message", "fix")
        return {key: getattr(self, key) for key in keys}


def finding(
    code: str,
    document: Any,
    section: str = "",
    rows: Sequence[int] = (),
    detail: object = "",
    count: int | None = None,
) -> Finding:
    """A finding of a known code.

    Args:
        code: A key of `RULES`.
        document: The COCO document, for the ids.
        section: "images", "annotations" or "categories"; "" for the document itself.
        rows: Places of the records in that list.
        detail: Goes into the rule's message.
        count: Of what is concerned, where that is no record of this document.
    """
    rule = RULES[code]
    return Finding(
        code=code,
        severity=rule.severity,
        message=rule.message.format(detail=detail),
        count=count or len(rows) or 1,
        ids=tuple(_id(document, section, row) for row in rows[:SHOWN_IDS]),
        fix=rule.fix,
        section=section,
        rows=tuple(int(row) for row in rows),
    )


def _id(document: Any, section: str, row: int) -> int | str:
    record = document[section][row]
    known = record.get("id") if isinstance(record, dict) else None
    return known if type(known) is int else f"{section}[{row}]"
