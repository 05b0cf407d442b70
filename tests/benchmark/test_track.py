import numpy as np
import pytest

pytest.importorskip("trackeval")
pytest.importorskip("trackers")

from instseg.benchmark.track import measure_tracking, score_tracks, with_errors
from instseg.scenes.moving import draw_video
from instseg.scenes.scene import SceneConfig


@pytest.fixture(scope="module")
def truth():
    config = SceneConfig(size_hw=(96, 96), objects=(4, 4), seed=2)
    return [(frame.instances, frame.track_ids) for frame in draw_video(20, config)]


def test_the_truth_itself_has_the_best_figures(truth):
    renamed = [(found, ids + 70) for found, ids in truth]
    assert score_tracks(truth, renamed) == pytest.approx(
        {"HOTA": 1, "AssA": 1, "IDF1": 1, "ids": 1}
    )


def test_each_mistake_costs(truth):
    half = len(truth) // 2
    cut = [(found, ids + 70 * (i >= half)) for i, (found, ids) in enumerate(truth)]
    missed = [(found, np.where(ids == ids[:1], -1, ids)) for found, ids in truth]
    for mistaken in (cut, missed):
        figures = score_tracks(truth, mistaken)
        assert 0 < figures["HOTA"] < 0.95
        assert 0 < figures["IDF1"] < 0.95


def test_detections_with_errors_are_the_same_for_a_seed(truth):
    once, again = (
        [with_errors(found, np.random.default_rng(5)) for found, _ in truth] for _ in range(2)
    )
    assert [len(each) for each in once] == [len(each) for each in again]
    assert sum(map(len, once)) != sum(len(found) for found, _ in truth)


def test_both_sides_are_measured():
    figures = measure_tracking(1, 4)
    assert len(figures["videos"]) == 3
    assert set(figures["ours"]) == set(figures["peer"]) == {"HOTA", "AssA", "IDF1", "ids"}
    assert figures["ratio"].keys() == figures["ours"].keys()
