"""The charts of an evaluation show its numbers."""

import pytest
from figure_texts import texts

from instseg.evaluation.assess import assess
from instseg.evaluation.plots import draw_assessments, write_plots


@pytest.fixture(scope="module")
def assessment():
    """Two cups, of which one is found, and a plate that is taken for a cup."""
    annotations, results = [], []
    for number, (category_id, found) in enumerate([(1, 1), (1, None), (2, 1)]):
        box = [10 + 40 * number, 10, 30, 30]
        where = {"image_id": 1, "bbox": box}
        annotations.append(
            {**where, "id": number + 1, "category_id": category_id, "area": 900, "iscrowd": 0}
        )
        if found:
            results.append({**where, "category_id": found, "score": 0.9 - number / 10})
    truth = {
        "images": [{"id": 1, "height": 100, "width": 150}],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "cup"}, {"id": 2, "name": "plate"}],
    }
    return assess(truth, results, "bbox", resamples=100)


def test_each_chart_says_what_the_result_says(assessment):
    figures = dict(draw_assessments([assessment]))
    assert list(figures) == [
        f"box_{name}.png"
        for name in ("precision_recall", "classes", "errors", "confusion", "calibration")
    ]
    cup = assessment.summary.per_class[0]
    assert f"cup  {cup.AP:.3f}" in texts(figures["box_precision_recall.png"])
    assert {"cup", "plate"} <= {*texts(figures["box_classes.png"])}
    cells = figures["box_confusion.png"].axes[0].texts
    assert [text.get_text() for text in cells] == ["1"] * 3  # found, taken for a cup, missed
    missed = assessment.summary.errors.costs["missed"]
    assert any(f"{missed:.3f}" in words for words in texts(figures["box_errors.png"]))


def test_they_are_written_under_their_names(assessment, tmp_path):
    written = write_plots(tmp_path, [assessment])
    assert sorted(written) == sorted(tmp_path.iterdir())
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
