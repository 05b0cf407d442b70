"""Two sides by turns."""

import pytest

from instseg.benchmark.rounds import Measured, measure_in_fresh_processes, time_by_turns


def test_both_sides_see_each_input_in_turn():
    seen = []
    figures = time_by_turns(
        lambda each: seen.append(("ours", each)), lambda each: seen.append(("peer", each)), [0, 1]
    )
    assert seen == [("ours", 0), ("peer", 0), ("ours", 1), ("peer", 1)]
    assert figures["ratio"] == figures["peer"]["median"] / figures["ours"]["median"]


def different_numbers(side):
    return Measured(1.0, 1.0, [0.5 if side == "ours" else 0.5 + 1e-8])


def test_different_numbers_are_an_error():
    with pytest.raises(RuntimeError, match="differ"):
        measure_in_fresh_processes(different_numbers, {"bbox": ()}, repeats=1)
