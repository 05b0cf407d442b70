import math

import numpy as np

from instseg.formats.rings import cut_off, ellipse, rectangle


def area(ring):
    x, y = ring.T
    return abs((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2


def test_an_ellipse_is_round():
    ring = ellipse((50, 40), (30, 10))
    assert abs(area(ring) / (math.pi * 300) - 1) < 0.01
    turned = ellipse((50, 40), (30, 10), 90)
    assert np.ptp(turned, axis=0).round().tolist() == [20, 60]


def test_a_box_turns_clockwise():
    ring = rectangle(10, 20, 30, 24, 45)
    leftmost = ring[ring[:, 0].argmin()]
    assert leftmost[1] < 22  # its left end goes up
    assert np.allclose(ring.mean(axis=0), (20, 22))
    assert np.allclose(area(ring), 80)
    assert rectangle(10, 20, 30, 24).tolist() == [[10, 20], [30, 20], [30, 24], [10, 24]]


def test_what_is_outside_is_cut_off():
    triangle = np.array([(-10.0, 10), (10, 0), (10, 20)])
    inside = cut_off(triangle, (100, 100))
    assert np.allclose(area(inside), 150)
    assert inside.min() >= 0
    assert len(cut_off(triangle - (50, 0), (100, 100))) == 0
    within = triangle + np.array([50, 0])
    assert cut_off(within, (100, 100)).tolist() == within.tolist()
