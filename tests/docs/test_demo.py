"""The photos of `make demo`, and the picture at the top of the README."""

import os
import subprocess
import sys
from pathlib import Path

from instseg.files.image import read_image

ROOT = Path(__file__).resolve().parents[2]
NO_NETWORK = {f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https")}


def run(script: str, *arguments: str) -> str:
    command = [sys.executable, str(ROOT / "docs" / "tooling" / script), *arguments]
    environment = {**os.environ, **NO_NETWORK, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_real_photos_without_a_download(tmp_path):
    run("demo_photos.py", str(tmp_path))
    photos = {path.stem: read_image(path) for path in tmp_path.glob("*.png")}
    assert set(photos) == {"astronaut", "cat", "coffee", "motorcycle", "rocket"}
    assert photos["astronaut"].shape == (512, 512, 3)
    assert all(photo.std() > 20 for photo in photos.values())


def test_the_picture_shows_the_photos_in_a_row(tmp_path, tiny_weights):
    out = tmp_path / "demo.png"
    options = ["--weights", str(tiny_weights), "--out", str(out), "--photos", "astronaut", "cat"]
    assert run("demo_picture.py", *options).startswith("astronaut: ")
    assert read_image(out).shape == (400, 400 + 8 + 601, 3)
