"""Charts show what they are given, also when it is nothing or a lot."""

import numpy as np
import pytest
from figure_texts import texts
from matplotlib.cbook import is_math_text

from instseg.visualize import charts
from instseg.visualize.figures import save_figure

FLAT = np.full(101, 0.5)


def many(count):
    return [f"class {i}" for i in range(count)]


def test_precision_recall_names_the_best_and_the_worst():
    curves = {name: np.full(101, i / 10) for i, name in enumerate(many(10))}
    curves["never there"] = np.full(101, -1.0)
    words = texts(charts.precision_recall(curves, {"IoU 0.50": FLAT}))
    assert {"IoU 0.50  0.500", "class 9  0.900", "class 7  0.700", "class 0  0.000"} <= {*words}
    assert "each of 10 classes" in words
    assert not [word for word in words if "never there" in word or "class 5" in word]


def test_precision_recall_without_objects():
    assert "no class has objects" in texts(charts.precision_recall({"cat": -FLAT}, {"mean": -FLAT}))


def test_confusion_writes_counts_into_the_cells():
    matrix = np.array([[0, 3, 0], [4, 55, 0], [0, 7, 66]])
    figure = charts.confusion(matrix, ["cat", "dog"])
    axes = figure.axes[0]
    cells = {text.get_position(): text.get_text() for text in axes.texts}  # (column, row)
    assert cells == {(0, 0): "55", (2, 0): "4", (0, 1): "7", (1, 1): "66", (0, 2): "3"}
    shares = axes.images[0].get_array()
    assert shares[0, 0] == pytest.approx(55 / 59)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog", "background"]


def test_confusion_of_many_classes_shows_those_with_most_mistakes():
    matrix = np.diag(np.full(81, 100))
    matrix[0, 0] = 0
    matrix[51:81, 0] = 5
    matrix[80, 1:21] = 1  # taken for classes that are not shown
    figure = charts.confusion(matrix, many(80))
    words = texts(figure)
    axes = figure.axes[0]
    columns = [label.get_text() for label in axes.get_xticklabels()]
    assert columns[-2:] == ["other classes", "background"]
    shares = axes.images[0].get_array()
    assert shares[29, 30] == pytest.approx(20 / 125)
    assert shares[:30].sum(axis=1).tolist() == pytest.approx([1] * 30)
    assert any("the 30 of 80 with most mistakes" in word for word in words)
    assert {f"class {i}" for i in range(50, 80)} <= {*words}
    assert "class 49" not in words
    assert "100" not in words


def test_confusion_of_nothing_at_all():
    figure = charts.confusion(np.zeros((3, 3), np.int64), ["cat", "dog"])
    axes = figure.axes[0]
    assert not axes.texts  # no counts
    assert not axes.images[0].get_array().any()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["cat", "dog", "background"]


def test_error_bars_are_as_long_as_the_errors():
    figure = charts.error_bars({"class": 0.02, "missed": 0.2})
    assert [bar.get_width() for bar in figure.axes[0].patches] == [0.02, 0.2]
    assert {"class", "missed", "0.020", "0.200"} <= {*texts(figure)}
    assert "no errors" in texts(charts.error_bars({}))


def test_reliability_leaves_empty_bins_out():
    nan = float("nan")
    figure = charts.reliability([0.1, nan, 0.9], [0.2, nan, 0.8], [10, 0, 30], ece=0.1)
    measured = figure.axes[0].lines[1]
    assert measured.get_xydata().tolist() == [[0.1, 0.2], [0.9, 0.8]]
    assert [bar.get_height() for bar in figure.axes[1].patches] == [10, 0, 30]
    assert "expected calibration error 0.100" in texts(figure)
    assert "no detections" in texts(charts.reliability([nan], [nan], [0], ece=0.0))


def test_class_intervals_are_sorted_without_classes_that_have_no_number():
    values = [0.2, None, 0.9, -1, 0.5]
    figure = charts.class_intervals(many(5), values, [0.1] * 5, [None, 0.9, 0.95, 0.9, 0.6])
    rows = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert rows == ["class 2", "class 4", "class 0"]
    assert "no class has objects" in texts(charts.class_intervals([], [], [], []))


def test_class_intervals_of_many_classes_show_both_ends():
    values = np.linspace(1, 0, 80)
    words = texts(charts.class_intervals(many(80), values, values, values))
    assert any("the 20 best and the 20 worst of 80" in word for word in words)
    assert {"class 0", "class 19", "class 60", "class 79"} <= {*words}
    assert "class 20" not in words


def test_of_long_names_the_middle_goes():
    words = texts(charts.error_bars({"a name that is much too long for a chart, 7": 0.1}))
    assert "a name that is… chart, 7" in words


def test_dollars_are_not_mathematics(tmp_path):
    names, ap = ["$x$", "US$ $"], [0.7, 0.3]
    curves = dict(zip(names, np.full((2, 101), 0.5), strict=True))
    for figure in (
        charts.precision_recall(curves, curves, "$x$"),
        charts.confusion(np.ones((3, 3), np.int64), names, "$x$"),
        charts.error_bars({"$x$": 0.1, "US$ $": 0.2}, "$x$"),
        charts.reliability([0.5], [0.5], [1], 0.0, "$x$"),
        charts.class_intervals(names, ap, ap, ap, "$x$"),
    ):
        save_figure(figure, tmp_path / "chart.png")
        words = texts(figure)
        assert any(r"\$x\$" in word for word in words)
        assert not any(map(is_math_text, words))


def test_a_class_without_an_interval_does_not_look_certain():
    figure = charts.class_intervals(["cup", "dog"], [0.5, 0.7], [0.4, None], [0.6, None])
    sure, unsure = figure.axes[0].lines
    assert (len(sure.get_xdata()), len(unsure.get_xdata())) == (1, 1)
    assert sure.get_markerfacecolor() != unsure.get_markerfacecolor()
    assert "too few objects for an interval" in figure.axes[0].get_xlabel()
