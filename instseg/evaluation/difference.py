"""The difference of two results on the same photos."""

from __future__ import annotations

from dataclasses import dataclass

from instseg.core import wording
from instseg.core.json_types import Json
from instseg.evaluation.bootstrap import Range

LEAST_P = 0.05  # from which on a difference may be chance


@dataclass(frozen=True, kw_only=True)
class ScoreDifference:
    """The difference of a COCO metric to that of other results; None without objects.

    Attributes:
        difference: These results minus the others.
        interval: Its 95% interval; None if it is undefined.
        p: Its two-sided p-value.
    """

    difference: float | None
    interval: Range | None
    p: float | None

    def to_dict(self) -> Json:
        """The difference as in metrics.json."""
        interval = self.interval and list(self.interval)
        return {"difference": self.difference, "interval": interval, "p": self.p}


def difference_cells(each: ScoreDifference) -> tuple[str, str, str]:
    """A difference, its interval and p, as tables show them."""
    p = "<0.001" if each.p is not None and each.p < 0.0005 else wording.number(each.p)
    return wording.number(each.difference, "+"), wording.interval(each.interval, "+"), p


def verdict(each: ScoreDifference) -> str:
    """Whether these results are better, in words."""
    value, p = each.difference, each.p
    if value is None or p is None:
        return "the data cannot tell whether it differs"
    if value == 0 and p == 1:
        return "no difference"
    better = "better" if value > 0 else "worse"
    return better if p < LEAST_P else f"{better}, but by no more than chance may give"
