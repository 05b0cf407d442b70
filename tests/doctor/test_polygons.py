"""Polygons of many annotations at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instseg.core.masks import Masks
from instseg.doctor.polygons import Polygons, clipped, polygon_trouble

SQUARE = [1.0, 1.0, 5.0, 1.0, 5.0, 5.0, 1.0, 5.0]
BOW = [0.0, 0.0, 4.0, 4.0, 4.0, 0.0, 0.0, 4.0]


def test_extents_and_areas_are_those_of_all_parts():
    polygons = Polygons.collect([[SQUARE, [8, 8, 10, 8, 8, 10]], None, [], [SQUARE]])
    assert polygons.extents()[[0, 3]].tolist() == [[1, 1, 10, 10], [1, 1, 5, 5]]
    assert np.isnan(polygons.extents()[1:3]).all()
    assert polygons.areas().tolist() == [18, 0, 0, 16]
    assert [part.tolist() for part in polygons.parts_of(0)][1] == [[8, 8], [10, 8], [8, 10]]
    assert polygons.parts_of(1) == []


def test_only_outlines_that_cross_themselves_are_named():
    touching = [0, 0, 4, 0, 4, 4, 2, 0, 0, 4]  # a point on an edge
    polygons = Polygons.collect([[SQUARE], [SQUARE, BOW], [touching], [[0, 0, 1, 0, 1, 1]]])
    assert polygons.crossing().tolist() == [1]


@pytest.mark.parametrize(
    ("part", "trouble"),
    [
        (SQUARE, None),
        ([1, 1, 5, 1, 5, 5], None),
        ([1, 1, 5, 1], "polygon-short"),
        ([], "polygon-short"),
        ([1, 1, 5, 1, 5, 5, 7], "polygon-odd"),
        ([1, 1, 5, 1, 5, "5"], "polygon-broken"),
        ([1, 1, 5, 1, 5, True], "polygon-broken"),
        ([1, 1, 5, 1, 5, 10**400], "polygon-broken"),
        ([1.0, 1.0, 5.0, 1.0, 5.0, float("nan")], "polygon-broken"),
        ([float("inf"), 1.0, 5.0, 1.0, 5.0, 5.0], "polygon-broken"),
        ("123456", "polygon-broken"),
        (None, "polygon-broken"),
    ],
)
def test_what_is_wrong_with_a_polygon(part, trouble):
    assert polygon_trouble(part) == trouble
    assert Polygons.collect([[part]]).troubles == ({trouble: [0]} if trouble else {})


@given(
    st.lists(st.tuples(st.integers(-30, 60), st.integers(-30, 60)), min_size=3, max_size=9),
)
def test_clipping_keeps_the_mask(points):
    inside = clipped(np.array(points, dtype=np.float64), (40, 30))
    assert len(inside) == 0 or ((inside >= 0).all() and (inside <= (40, 30)).all())
    triangle = np.array(points[:3], dtype=np.float64)

    def pixels(polygon, margin):
        if len(polygon) < 3:
            return np.zeros((30, 40), bool)
        dense = Masks.from_polygons([[(polygon + margin).ravel()]], (200, 200)).dense(0)
        return dense[margin : margin + 30, margin : margin + 40]

    different = pixels(triangle, 40) ^ pixels(clipped(triangle, (40, 30)), 40)
    assert different.sum() <= 25  # along the edges, where the rounding of the raster differs
