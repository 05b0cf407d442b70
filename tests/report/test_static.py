"""Components as HTML that works without a script."""

import re
from html import unescape

import numpy as np
import pytest

from instseg.report.components import (
    Bar,
    Bars,
    Finding,
    Findings,
    Line,
    Lines,
    Matrix,
    Picture,
    Table,
    Written,
)
from instseg.report.fragment import fragment
from instseg.report.static import render_static
from instseg.scenes.scene import draw_scene


def cells(component, tags=()):
    """The texts of the rows of a component's table."""
    html = str(render_static(component, dict(tags)))
    body = html[html.index("<tbody") :]
    rows = re.findall(r"<tr>(.*?)</tr>", body, re.S)
    found = [re.findall(r"<(?:td|th)[^>]*>(.*?)</(?:td|th)>", row, re.S) for row in rows]
    return [
        [" ".join(unescape(re.sub("<[^>]*>", "", cell)).split()) for cell in row] for row in found
    ]


def test_a_table_shows_every_value():
    rows = [["cat", 1234, 0.12345, None], ["dog", np.int64(5), float("nan"), "so"]]
    table = Table(columns=["class", "objects", "AP", "note"], rows=rows, digits=2)
    assert cells(table) == [["cat", "1,234", "0.12", "-"], ["dog", "5", "-", "so"]]
    html = render_static(table, {})
    assert html.count('<th scope="col" class="number">') == 2  # objects and AP
    assert 'data-number="1234.0"' in html and "nan" not in html


def test_a_number_may_have_its_own_text():
    table = Table(columns=["class", "difference"], rows=[["cat", Written(0.007, "+0.007")]])
    assert cells(table) == [["cat", "+0.007"]]
    html = render_static(table, {})
    assert 'class="number" data-number="0.007"' in html


def test_an_empty_table_says_so():
    assert "Nothing to show" in render_static(Table(columns=["a", "b"], rows=[]), {})


def test_rows_must_fit_the_columns():
    with pytest.raises(ValueError, match="rows: expected 2 cells"):
        render_static(Table(columns=["a", "b"], rows=[[1]]), {})


def widths(component):
    html = render_static(component, {})
    return [float(each) for each in re.findall(r'class="fill-\d".*? width="([^"]*)"', html)]


def test_bars_have_the_length_of_their_values():
    bars = [Bar(label="a", value=0.2), Bar(label="b", value=0.4), Bar(label="c", value=None)]
    assert widths(Bars(bars=bars)) == [50, 100]
    assert widths(Bars(bars=bars, most=1)) == [20, 40]
    assert widths(Bars(bars=bars, most=1, other={"b": 0.8})) == [20, 40, 80]
    assert widths(Bars(bars=[Bar(label="a", value=-1), Bar(label="b", value=3)])) == [25, 75]
    assert widths(Bars(bars=[Bar(label="a", value=0)])) == [0]
    shown = cells(Bars(bars=[Bar(label="a", value=0.2, interval=(0.1, 0.25)), bars[2]]))
    assert shown == [["a", "", "0.200 0.100 to 0.250"], ["c", "", "-"]]


def chart_html(**options):
    lines = [Line(name="loss", x=[1, 2, 3, 4], y=[0.5, float("nan"), 0.25, 1])]
    return str(render_static(Lines(lines=lines, **{"x_label": "x", "y_label": "y", **options}), {}))


def test_lines_are_interrupted_and_say_their_values():
    html = chart_html(x_limits=(1, 5), y_limits=(0, 1))
    assert '"M0.0 500.0M500.0 750.0L750.0 0.0"' in html
    assert "<title>loss: 0.250 at 3</title>" in html
    ticks = re.findall(r">([\d.]+)</text>", html)
    assert ticks == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0", "1", "2", "3", "4", "5"]


def test_long_lines_stay_small_and_keep_their_peaks():
    y = np.zeros(100_000)
    y[54_321] = 7
    html = str(
        render_static(
            Lines(lines=[Line(name="", x=range(100_000), y=y)], x_label="x", y_label="y"), {}
        )
    )
    assert len(html) < 60_000
    assert re.search(r'd="M0\.0 1000\.0[^"]* (125\.0|0\.0)L', html)


def test_charts_without_a_number_are_empty():
    nothing = Line(name="a", x=[0, 1], y=[float("nan")] * 2)
    for lines in ([], [nothing], [Line(name="a", x=[3], y=[2])]):
        assert "<svg" in render_static(Lines(lines=lines, x_label="x", y_label="y"), {})
    with pytest.raises(ValueError, match="as many x as y"):
        render_static(Lines(lines=[Line(name="a", x=[1], y=[])], x_label="x", y_label="y"), {})
    with pytest.raises(ValueError, match="x_limits"):
        chart_html(x_limits=(1, 1))


def matrix(counts, rows, columns):
    return Matrix(
        counts=np.array(counts),
        rows=rows,
        columns=columns,
        row_title="truth",
        column_title="prediction",
    )


def test_a_matrix_links_to_the_photos_of_a_cell():
    found = matrix([[5, 1], [0, 2000]], ["cat", "dog"], ["cat", "dog"])
    html = render_static(found, {"cell:cat:dog": 1})
    assert cells(found) == [["cat", "5", "1"], ["dog", "0", "2,000"]]
    assert html.count('href="#gallery"') == 1
    assert 'data-show="cell:cat:dog"' in html
    assert "truth cat, prediction dog: 1, 17% of its row" in html


def test_a_large_matrix_shows_the_classes_that_are_confused():
    names = [f"class {i}" for i in range(100)]
    counts = np.diag(np.full(100, 50))
    counts[70, 30] = counts[99, 0] = 3
    shown = [row[0] for row in cells(matrix(counts, names, names))]
    assert {"class 0", "class 30", "class 70", "class 99"} < set(shown)
    assert len(shown) == 24 and shown == sorted(shown, key=names.index)
    assert "76 rows and 76 columns are left out" in render_static(matrix(counts, names, names), {})
    with pytest.raises(ValueError, match=r"counts: expected shape \(1, 2\)"):
        render_static(matrix([[1]], ["a"], ["a", "b"]), {})


def test_the_worst_findings_come_first_with_links_where_there_are_photos():
    findings = [
        Finding(severity="note", text="small", tag="t"),
        Finding(severity="error", text="grave", mend="mend it", examples=["a.jpg"], tag="none"),
    ]
    html = render_static(Findings(findings=findings), {"t": 1})
    assert html.index("grave") < html.index("mend it") < html.index("a.jpg") < html.index("small")
    assert html.count("data-show") == 1 and "Show 1 photo<" in html
    assert "Nothing was found" in render_static(Findings(findings=[]), {})


def test_a_picture_has_its_size():
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(draw_scene(3).image[:50, :80]).save(file, "PNG")
    html = render_static(Picture(png=file.getvalue(), alt="a scene"), {})
    assert 'width="80" height="50"' in html and 'alt="a scene"' in html


def test_a_notebook_gets_what_needs_no_style():
    html = fragment(Bars(bars=[Bar(label="<a>", value=1)]), Table(columns=["b"], rows=[[1]]))
    assert "<script" not in html and "var(" not in html and "&lt;a&gt;" in html
