"""A folder with what the examples of the documentation expect to find."""

import shutil
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from instseg.files.image import read_image
from instseg.scenes.scene import SceneConfig, write_scenes
from instseg.video.writer import VideoWriter


@pytest.fixture(scope="session")
def drawn(tmp_path_factory) -> Path:
    """`photo.jpg`, `photos/`, `train.json` and `val.json` of photos in it, and `clip.mp4`."""
    folder = tmp_path_factory.mktemp("documentation")
    config = SceneConfig(size_hw=(128, 128), objects=(2, 4))
    for name, start, count in [("train", 0, 4), ("val", 4, 3)]:
        written = write_scenes(folder / name, count, config, start=start)
        shutil.copytree(written.parent / "images", folder / "photos", dirs_exist_ok=True)
        shutil.move(written, folder / f"{name}.json")
    shutil.copy(folder / "photos" / "000000.jpg", folder / "photo.jpg")
    with suppress(ModuleNotFoundError):
        write_clip(folder / "clip.mp4", read_image(folder / "photo.jpg"))
    return folder


def write_clip(path: Path, photo: NDArray[np.uint8]) -> None:
    """A video of a photo that moves."""
    writer = VideoWriter(path, time_base=Fraction(1, 100), rate=10)
    for number in range(6):
        writer.add(photo[:, number : number + 120], number / 10)
    writer.close()


@pytest.fixture
def with_photos(drawn, tmp_path, monkeypatch) -> Path:
    """Such a folder, in which the test runs."""
    monkeypatch.setenv("MPLBACKEND", "agg")
    shutil.copytree(drawn, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path
