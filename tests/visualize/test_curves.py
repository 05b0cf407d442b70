"""Curves show what they are given, also when it is nothing."""

from figure_texts import texts

from instseg.visualize.curves import history, over_thresholds


def test_what_a_threshold_does_stands_beside_a_level():
    curves = {"score": [0.5, 0.7, 0.6], "smallest-on-top": [0.4, 0.65, 0.6]}
    names = ("mIoU", "Mask R-CNN", "U-Net")
    figure = over_thresholds([0.1, 0.5, 0.9], curves, 0.62, chosen=0.5, names=names)
    words = texts(figure)
    assert {"U-Net  0.620", "Mask R-CNN, score  0.700"} <= {*words}
    assert "Mask R-CNN, smallest-on-top  0.650" in words
    level = next(line for line in figure.axes[0].lines if "U-Net" in line.get_label())
    assert set(level.get_ydata()) == {0.62}
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert not legend.get_window_extent().overlaps(figure.axes[0].bbox)


def test_history_draws_what_was_logged_and_says_when_there_is_nothing():
    training = {"epoch": [0.5, 1.0], "loss": [2.0, 1.0], "mIoU": [0.1, float("nan")]}
    validation = {"epoch": [1.0], "val_loss": [1.5], "mIoU": [0.3], "mDice": [0.4]}
    words = texts(history(training, validation, ("mIoU", "mDice")))
    losses = {"training", "validation, whole images"}
    assert losses | {"mIoU", "mIoU, training batches", "mDice"} <= set(words)
    assert "mDice, training batches" not in words
    words = texts(history({"epoch": [1.0], "loss": [2.0]}, {}, ("mIoU",)))
    assert "nothing was measured" in words
