"""Drawing beside torchvision's."""

import numpy as np

from instseg.benchmark import draw
from instseg.benchmark.draw import CASES, draw_ours, draw_peer, make_scenes, measure_drawing


def small_cases():
    return {name: case._replace(photos=2, size_hw=(90, 120)) for name, case in CASES.items()}


def test_figures_of_both_cases(monkeypatch, capsys):
    monkeypatch.setattr(draw, "CASES", small_cases())
    figures = measure_drawing(repeats=1)
    for case in ("photo", "large"):
        ours, peer = (figures[side][f"{case}_s"] for side in ("ours", "peer"))
        assert np.isclose(figures["ratio"][case], peer / ours)
    assert capsys.readouterr() == ("", "")


def test_both_sides_draw_over_the_same_pixels():
    for case in small_cases().values():
        (scene, _) = make_scenes(case, seed=0)
        scores = np.full(case.instances, 0.5, np.float32)
        shares = scene.instances.masks.areas() / scene.image[..., 0].size
        assert case.shares[0] / 2 < shares.min() and shares.max() < case.shares[1] * 1.1
        covered = scene.instances.masks.dense().any(axis=0)
        for picture in (
            draw_ours(scene, scores),
            draw_peer(scene, scores).permute(1, 2, 0).numpy(),
        ):
            assert (picture != scene.image).any(axis=2)[covered].mean() > 0.99
