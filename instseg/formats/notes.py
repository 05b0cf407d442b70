"""What conversions cannot keep."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Notes:
    """Counts what cannot be kept, by kind, with the place of the first."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, text: str, where: object = "", times: int = 1) -> None:
        """Note something.

        Args:
            text: The same for all of its kind, such as "lines with no known class: left out".
            where: File and line.
            times: How often.
        """
        if times:
            self.counts[text] += times
            self.first.setdefault(text, str(where))

    def lines(self) -> tuple[str, ...]:
        """One line a kind: `lines that are not numbers: left out (3; first: a.txt, line 4)`."""
        return tuple(
            f"{text} ({times:,}" + (f"; first: {self.first[text]})" if self.first[text] else ")")
            for text, times in self.counts.items()
        )
