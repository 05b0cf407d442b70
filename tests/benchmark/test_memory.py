"""Predicted memory against that of real processes, and limits that hold."""

import pytest

from instseg.benchmark.memory import Case, peak_of
from instseg.system.fresh_process import in_fresh_process


@pytest.mark.parametrize(
    "case",
    [
        Case(megapixels=0.3, pictures=True),
        Case(megapixels=12, batch_size=4),
        Case(megapixels=50, pictures=True),
    ],
)
def test_the_prediction_is_near_what_a_process_uses(case: Case) -> None:
    peak = in_fresh_process(peak_of, "photos", case)
    assert 0.7 < peak["predicted"] / peak["measured"] < 1.4
    assert peak["done"] == case.batch_size


def test_four_photos_of_100_megapixels_stay_below_a_limit() -> None:
    case = Case(megapixels=100, batch_size=4, memory="2.2GB")
    peak = in_fresh_process(peak_of, "photos", case)
    assert peak["predicted"] > 2.2e9 > peak["measured"]
    assert peak["done"] == 4
