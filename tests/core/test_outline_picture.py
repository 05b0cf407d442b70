"""Masks as static SVG."""

import re

import numpy as np

from instseg.core.masks import Masks
from instseg.core.outline_picture import outline_picture


def squares(count, side=10):
    dense = np.zeros((count, 20, 40 * side), dtype=bool)
    for i in range(count):
        dense[i, 2 : 2 + side, i : i + side] = True
    return Masks.from_dense(dense)


def paths(html):
    return re.findall(r'<path d="([^"]*)"', html)


def test_it_draws_every_mask_with_its_text_the_largest_first():
    masks = Masks.concatenate([squares(1, 10), Masks.from_dense(np.ones((1, 20, 400), bool))])
    html = outline_picture(masks, ["a<b>", "dog"], ["first <b>", "second"])
    assert re.findall("<title>(.*?)</title>", html) == ["second", "first &lt;b&gt;"]
    assert 'viewBox="0 0 400 20"' in html
    assert "a&lt;b&gt; (1)" in html and "dog (1)" in html and "<b>" not in html


def test_holes_stay_open():
    mask = np.ones((1, 20, 20), dtype=bool)
    mask[0, 5:15, 5:15] = False
    (path,) = paths(outline_picture(Masks.from_dense(mask), ["a"], ["a"]))
    assert path.count("M") == path.count("z") == 2


def test_it_stays_small():
    large = Masks.from_dense(np.ones((1, 40, 4000), dtype=bool))
    html = outline_picture(large, ["a"], ["a"])
    assert 'viewBox="0 0 640 6"' in html
    many = outline_picture(squares(305, 2), ["a"] * 305, ["a"] * 305)
    assert len(paths(many)) == 300
    assert "the first 300 of 305 are drawn" in many
    assert len(many) < 60_000


def test_empty_masks_and_no_masks_are_no_error():
    assert paths(outline_picture(Masks.from_dense(np.zeros((1, 5, 5), bool)), ["a"], ["a"])) == [""]
    assert "<p>" not in outline_picture(Masks.empty((5, 5)), [], [])


def test_a_photo_is_behind_them():
    html = outline_picture(Masks.empty((5, 5)), [], [], photo='data:image/jpeg;base64,AA"')
    assert 'href="data:image/jpeg;base64,AA&quot;"' in html and "<rect" not in html
