"""Figures are saved whole, from any thread."""

import threading

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from instseg.core.errors import InputError
from instseg.visualize.charts import error_bars
from instseg.visualize.figures import save_figure


def test_a_saved_figure_is_a_png_and_leaves_nothing_open(tmp_path):
    path, open_before = tmp_path / "plots" / "errors.png", plt.get_fignums()
    figure = error_bars({"missed": 0.1})
    save_figure(figure, path)
    with Image.open(path) as image:
        assert (image.format, image.mode) == ("PNG", "RGBA")
        figure.canvas.draw()
        assert np.array_equal(image, figure.canvas.buffer_rgba())
        assert len(image.getcolors(2**20)) > 10  # it is not blank
    assert plt.get_fignums() == open_before
    assert list(path.parent.iterdir()) == [path]


def test_a_figure_that_cannot_be_saved_says_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        save_figure(error_bars({}), tmp_path / "file" / "errors.png")


def test_threads_may_draw(tmp_path):
    def draw(number):
        save_figure(error_bars({"missed": 0.1}), tmp_path / f"{number}.png")

    threads = [threading.Thread(target=draw, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1
    assert len(list(tmp_path.iterdir())) == 4
