"""`instseg compare-unet`: what it prints, and wrong usage in its own words."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from coco_documents import write_json
from comparison_files import document, save_unet, write_files

from instseg.cli import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    return write_files(tmp_path_factory.mktemp("files"))


def arguments(files, out):
    paths = {
        "coco-json": files / "data.json",
        "images": files,
        "weights": files / "mask_rcnn.safetensors",
        "unet": files / "unet.safetensors",
        "out": out,
    }
    return [*(f"--{key}={path}" for key, path in paths.items()), "--resamples=100", "--device=cpu"]


def comparison(out):
    return json.loads((out / "comparison.json").read_text())


def test_it_prints_tables_and_who_is_better(files, tmp_path, capsys):
    assert main(["compare-unet", *arguments(files, tmp_path), "--no-speed", "--pictures=1"]) == 0
    printed = capsys.readouterr()
    assert [line.split(":")[0] for line in printed.err.splitlines()] == ["instseg"] * 3
    assert printed.err.splitlines()[0].endswith("whose pixels are ignored (lamp, moon)")
    lines = printed.out.splitlines()
    assert {"background", "cup", "dog"} == {line.split()[0] for line in lines[1:4]}
    assert lines[-3:] == comparison(tmp_path)["verdict"]
    ours, unet = files / "mask_rcnn.safetensors", files / "unet.safetensors"
    assert lines[-4] == f"Mask R-CNN: {ours}; U-Net: {unet}"
    assert lines[-5].startswith(f"{tmp_path}: wrote comparison.json, comparison.md, score_thres")


def test_as_a_user_runs_it_with_time_and_memory(files, tmp_path):
    options = [*arguments(files, tmp_path / "out"), "--pictures=0"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "compare_unet.py"), *options],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "mIoU" in done.stdout.splitlines()[-3]
    for model in comparison(tmp_path / "out")["models"].values():
        seconds = model["seconds"]
        assert 0 < seconds["fastest"] <= seconds["median"] <= seconds["slowest"]
        assert 0 < model["memory_mb"] < 500
    assert "| memory, MB |" in (tmp_path / "out" / "comparison.md").read_text()


def test_without_a_folder_it_writes_into_its_own(files, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    given = [each for each in arguments(files, "") if not each.startswith("--out")]
    assert main(["compare-unet", *given, "--no-speed", "--pictures=0"]) == 0
    assert (tmp_path / "out/compare/comparison.json").is_file()
    assert comparison(tmp_path / "out/compare")["settings"]["out"] == "out/compare"


def test_names_may_hold_anything(files, tmp_path, capsys):
    data = document()
    data["categories"][0]["name"] = "d|g\n\x1b[2J"
    path = write_json(tmp_path / "data.json", data)
    unet = save_unet(tmp_path / "unet.safetensors", ("BG", "cup", "dog", "d|g\n\x1b[2J"))
    given = [*arguments(files, tmp_path), f"--coco-json={path}", f"--unet={unet}", "--no-speed"]
    assert main(["compare-unet", *given]) == 0
    printed = capsys.readouterr()
    assert "\x1b" not in printed.out + printed.err
    assert "d|g ?[2J" in printed.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--scenes=2"], "say what to compare on: --scenes, --data, or --coco-json with --images"),
        (["--score-threshold=1.5"], "--score-threshold must lie between 0 and 1, not 1.5"),
        (["--resamples=5"], "--resamples must lie between 100 and 100,000, not 5"),
        (["--priority=dog,cow"], "--priority: {files}/mask_rcnn.safetensors knows no class 'cow'"),
    ],
)
def test_wrong_usage_names_the_option(files, tmp_path, capsys, options, said):
    assert main(["compare-unet", *arguments(files, tmp_path), *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("instseg: " + said.format(files=files))


def test_a_folder_that_cannot_be_made(files, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    arguments = [f"--coco-json={files / 'data.json'}", f"--images={files}"]
    assert main(["compare-unet", *arguments, f"--out={tmp_path / 'file' / 'out'}"]) == 2
    printed = capsys.readouterr().err
    assert len(printed.splitlines()) == 1
    assert "cannot be made (Not a directory)" in printed


def test_a_report_needs_no_folder_on_the_command_line(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = [each for each in arguments(files, "") if not each.startswith("--out")]
    assert main(["compare-unet", *options, "--no-speed", "--pictures=0", "--report"]) == 0
    assert (tmp_path / "out" / "compare" / "report.html").exists()
