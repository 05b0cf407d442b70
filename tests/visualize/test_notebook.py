"""Instances as a notebook shows them."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from instseg.scenes.scene import draw_scene
from instseg.visualize import draw_instances, show_instances


def test_the_photo_with_outlines_and_the_table():
    scene = draw_scene(3)
    shown = show_instances(scene.image, scene.instances)
    html = shown._repr_html_()
    data = base64.b64decode(re.search(r"base64,([^\"]+)", html)[1])
    photo = np.asarray(Image.open(io.BytesIO(data)))
    assert np.abs(photo.astype(int) - scene.image).mean() < 8
    assert html.count("<path ") == html.count("<title>") == len(scene.instances)
    assert html.count("<tr>") == len(scene.instances) + 1
    assert "<script" not in html
    assert repr(shown) == f"ShownInstances({scene.instances!r})"


def test_the_drawn_picture():
    scene = draw_scene(3)
    expected = draw_instances(scene.image, scene.instances)
    np.testing.assert_array_equal(show_instances(scene.image, scene.instances).picture, expected)


def test_large_photos_stay_small_in_a_notebook():
    scene = draw_scene(3)
    large = np.kron(scene.image, np.ones((8, 8, 1), dtype=np.uint8))
    instances = scene.instances[:0]
    from dataclasses import replace

    from instseg.core.masks import Masks

    empty = replace(instances, masks=Masks.empty(large.shape[:2]))
    assert len(show_instances(large, empty)._repr_html_()) < 400_000


def test_a_photo_of_another_size_is_an_error():
    scene = draw_scene(3)
    with pytest.raises(ValueError, match="image: expected shape"):
        show_instances(scene.image[1:], scene.instances)
