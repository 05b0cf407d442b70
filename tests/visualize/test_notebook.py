"""Instances as a notebook shows them."""

import base64
import io
import re

import numpy as np
from PIL import Image

from instseg.scenes.scene import draw_scene
from instseg.visualize import draw_instances, show_instances


def test_the_drawn_photo_and_the_table():
    scene = draw_scene(3)
    shown = show_instances(scene.image, scene.instances)
    html = shown._repr_html_()
    data = base64.b64decode(re.search(r"base64,([^\"]+)", html)[1])
    expected = draw_instances(scene.image, scene.instances)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), expected)
    assert scene.instances._repr_html_() in html
    assert repr(shown) == f"ShownInstances({scene.instances!r})"
