"""What a model file says about itself is checked before anything is built of it."""

import pytest

from instseg.files.card_checks import (
    check_against_tensors,
    check_classes,
    check_outputs,
    check_preprocessing,
    check_thresholds,
)

SOUND = {"min_size": None, "max_size": 640, "mean": [0.5, 20000], "std": [0.1, 900]}


def test_sound_cards_pass():
    check_classes(("BG", "cat"), (0, 17))
    check_thresholds({"cat": 0.5, "dog": 1})
    check_preprocessing(SOUND)
    check_outputs({"num_classes": 91}, (0, 1, 90))
    check_against_tensors({"width": 8, "num_classes": 3, "norm": True}, [(3, 8)])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"min_size": True}, "expected pixels as min_size"),
        ({"max_size": 10**6}, "expected pixels as max_size"),
        ({"mean": [float("nan"), 0]}, "expected a list of numbers as mean"),
        ({"std": [1.0]}, "for each channel"),
        ({"std": [0.1, -1]}, "a std above 0"),
    ],
)
def test_preprocessing_that_no_image_can_be_prepared_with(changes, words):
    with pytest.raises(ValueError, match=words):
        check_preprocessing(SOUND | changes)


def test_a_network_far_larger_than_its_tensors():
    with pytest.raises(ValueError, match=r"architecture_args: 1000000 does not fit its tensors"):
        check_against_tensors({"widths": [8, [10**6]]}, [(3, 8)])
    with pytest.raises(ValueError, match="num_classes: 4 does not fit its tensors"):
        check_against_tensors({"num_classes": 4}, [(3, 8)])
    check_against_tensors({"width": 5000}, [(5000,)])


def test_outputs_that_do_not_fit_the_ids():
    with pytest.raises(ValueError, match="2 outputs do not fit"):
        check_outputs({"num_classes": 2}, (0, 1, 90))
    with pytest.raises(ValueError, match="expected a number of classes"):
        check_outputs({"num_classes": 0}, (0, 1))
