"""A short slice of the fuzzer: broken inputs end in one line each, and nothing sound is lost."""

import itertools
import math

import pytest
from fuzz.run import fuzz
from fuzz.targets import TARGETS

CASES = 25  # of each target


@pytest.mark.parametrize("target", TARGETS)
def test_broken_inputs_end_in_one_line(target):
    names = (f"{target}:{number}" for number in itertools.count())
    tried, failures = fuzz(itertools.islice(names, CASES), workers=1, until_s=math.inf)
    assert not failures
    assert tried[target] == CASES
