"""A COCO document under repair, and the list of what was changed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from instseg.doctor.table import KEYS, is_whole


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change to one record.

    Attributes:
        section: "images", "annotations" or "categories"; "" for the document itself.
        id: The record's id, or "annotations[3]" for one without; None for the whole section.
        code: The finding that it repairs.
        action: "drop" or "repair".
        before: The old values of the changed keys, or the whole dropped record.
        after: The new values; None for a dropped record.
    """

    section: str
    id: int | str | None
    code: str
    action: str
    before: Any
    after: Any

    def to_json(self) -> dict[str, Any]:
        """The change for a JSON file."""
        return asdict(self)


@dataclass(kw_only=True)
class Patient:
    """A document under repair, in rounds: within one, every record keeps its row.

    Attributes:
        document: Its sections are lists; records are replaced, never modified.
        changes: All so far.
        dropped: For each section the rows that go at the end of the round.
        measured: Rows of annotations whose box and area were made from their mask in this round.
    """

    document: dict[str, Any]
    changes: list[Change] = field(default_factory=list)
    dropped: dict[str, set[int]] = field(default_factory=lambda: {name: set() for name in KEYS})
    measured: set[int] = field(default_factory=set)
    _last_id: int = 0

    def change(self, code: str, section: str, row: int, **values: Any) -> None:
        """Set keys of a record."""
        records = self.document[section]
        old = records[row]
        before = {key: old[key] for key in values if key in old}
        kinds = [type(value) for value in before.values()]
        if before != values or kinds != [type(values[key]) for key in before]:  # 1.0 == 1
            records[row] = {**old, **values}
            self._note(section, row, code, "repair", before, values)

    def drop(self, code: str, section: str, row: int) -> None:
        """Drop a record."""
        if row not in self.dropped[section]:
            self.dropped[section].add(row)
            self._note(section, row, code, "drop", self.document[section][row], None)

    def _note(
        self, section: str, row: int, code: str, action: str, before: Any, after: Any
    ) -> None:
        record = self.document[section][row]
        known = record.get("id") if isinstance(record, dict) else None
        name = known if is_whole(known) else f"{section}[{row}]"
        self.changes.append(
            Change(section=section, id=name, code=code, action=action, before=before, after=after)
        )

    def end_round(self) -> None:
        """Take the dropped records out; the lists are new ones, the old stay as they are."""
        for section, rows in self.dropped.items():
            records = enumerate(self.document[section])
            self.document[section] = [record for row, record in records if row not in rows]
            rows.clear()
        self.document = dict(self.document)
        self.measured.clear()

    def is_left(self, section: str, row: int) -> bool:
        """Whether a record was not dropped in this round."""
        return row not in self.dropped[section]

    def new_id(self) -> int:
        """A number that no annotation has."""
        if not self._last_id:
            records = [r for r in self.document["annotations"] if isinstance(r, dict)]
            used = [r["id"] for r in records if is_whole(r.get("id"))]
            self._last_id = max([0, *used])
        self._last_id += 1
        return self._last_id
