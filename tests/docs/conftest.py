"""A folder with what the examples of the documentation expect to find."""

import shutil
from pathlib import Path

import pytest

from instseg.scenes.scene import SceneConfig, write_scenes


@pytest.fixture(scope="session")
def drawn(tmp_path_factory) -> Path:
    """`photo.jpg`, `photos/`, and `train.json` and `val.json` of photos in it."""
    folder = tmp_path_factory.mktemp("documentation")
    config = SceneConfig(size_hw=(128, 128), objects=(2, 4))
    for name, start, count in [("train", 0, 4), ("val", 4, 3)]:
        written = write_scenes(folder / name, count, config, start=start)
        shutil.copytree(written.parent / "images", folder / "photos", dirs_exist_ok=True)
        shutil.move(written, folder / f"{name}.json")
    shutil.copy(folder / "photos" / "000000.jpg", folder / "photo.jpg")
    return folder


@pytest.fixture
def with_photos(drawn, tmp_path, monkeypatch) -> Path:
    """Such a folder, in which the test runs."""
    monkeypatch.setenv("MPLBACKEND", "agg")
    shutil.copytree(drawn, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path
