"""The rows of a comparison's tables."""

from instseg.comparison.tables import cost_rows


def a_model(seconds):
    return {
        "parameters": 1000,
        "engine": "torch",
        "seconds": {"median": seconds},
        "memory_mb": 50,
    }


def test_times_of_both_have_three_significant_digits():
    models = {"unet": a_model(0.05100), "mask_rcnn": a_model(0.0414)}
    rows = [*cost_rows({"models": models})]
    assert ["seconds an image, median", "0.0510", "0.0414"] in rows
