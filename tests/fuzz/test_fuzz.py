"""A short slice of the fuzzer: broken inputs end in one line each, and nothing sound is lost."""

import itertools
import math

from fuzz.run import all_names, fuzz
from fuzz.targets import TARGETS

CASES = 15  # of each target


def test_broken_inputs_end_in_one_line():
    names = itertools.islice(all_names(0), CASES * len(TARGETS))
    tried, failures = fuzz(names, workers=1, until_s=math.inf)
    assert not failures
    assert tried == dict.fromkeys(TARGETS, CASES)
