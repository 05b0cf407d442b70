"""The tutorial runs from top to bottom, on fewer scenes."""

import json
import re
import shlex
from pathlib import Path

import numpy as np

from instseg.cli import main
from instseg.files.image import read_image

TUTORIAL = Path(__file__).resolve().parents[1] / "docs" / "tutorial.md"
FEWER = {"--images 200": "--images 6", "--images 60": "--images 3", "--epochs 4": "--epochs 1"}


def test_every_command_does_what_it_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = TUTORIAL.read_text()
    for many, few in FEWER.items():
        assert many in text
        text = text.replace(many, few)
    blocks = "".join(re.findall(r"^```\n(.*?)^```", text, flags=re.M | re.S))
    commands = [shlex.split(line)[1:] for line in blocks.splitlines() if line]
    for command in commands:
        assert main(command) == 0, command
    assert len(commands) == 7
    assert "lighthouse" in capsys.readouterr().out
    for name in ("batches", "worst"):  # of photos of 320 pixels
        sheet = read_image(tmp_path / f"out/tutorial/run/{name}.png")
        assert min(sheet.shape[:2]) > 320
        assert len(np.unique(sheet)) > 100
    found = json.loads((tmp_path / "out/tutorial/found/predictions.json").read_text())
    assert len(found["images"]) == 3
