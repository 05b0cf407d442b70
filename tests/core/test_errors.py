"""One error, in the words of Python and of the command line."""

import math
import pickle

import pytest

from instseg.core.errors import ArgumentError, require_between, require_positive


@pytest.mark.parametrize(
    ("error", "in_python", "on_the_command_line"),
    [
        (
            ArgumentError("{score_threshold} must lie between 0 and 1", score_threshold=2),
            "score_threshold=2 must lie between 0 and 1",
            "--score-threshold must lie between 0 and 1, not 2",
        ),
        (
            ArgumentError("{weights} needs {images}"),
            "weights needs images",
            "--weights needs --images",
        ),
        (
            ArgumentError("{skips} is for U-Nets", skips=False),
            "skips=False is for U-Nets",
            "--no-skips is for U-Nets",
        ),
    ],
)
def test_arguments_are_named_as_their_users_write_them(error, in_python, on_the_command_line):
    assert str(error) == in_python
    assert error.as_options() == on_the_command_line
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.as_options()) == (in_python, on_the_command_line)


def test_ranges():
    require_between(0, 1, low=0, high=1, none=None)
    require_positive(rate=1e-9, none=None)
    with pytest.raises(ArgumentError, match="epochs=0 must be at least 1"):
        require_between(1, epochs=0)
    with pytest.raises(ArgumentError, match="share=nan must lie between 0 and 1"):
        require_between(0, 1, share=math.nan)
    for wrong in (0, -1, math.inf, math.nan):
        with pytest.raises(ArgumentError, match=f"rate={wrong} must be above 0 and finite"):
            require_positive(rate=wrong)


@pytest.mark.parametrize("require", [lambda **v: require_between(0, 1, **v), require_positive])
@pytest.mark.parametrize("value", ["0.5", [0.5]])
def test_what_is_no_number_is_told(require, value):
    with pytest.raises(ArgumentError, match="must be a number"):
        require(score_threshold=value)
