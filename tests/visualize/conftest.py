"""Pyplot without a window, and a grey photo to draw on."""

import matplotlib.pyplot as plt
import numpy as np
import pytest


@pytest.fixture
def headless():
    plt.switch_backend("Agg")
    yield
    plt.close("all")
    plt.switch_backend("Agg")


@pytest.fixture
def image():
    return np.full((60, 80, 3), 120, np.uint8)
