"""Shows that two checkouts give the same numbers; run by hand after a change that moves code.

    python tests/same_as_before.py OLD_CHECKOUT NEW_CHECKOUT

Both make drawn scenes, find instances, evaluate, train both kinds of network with a seed, compare
them and repair a dataset; files are compared byte for byte, pictures pixel for pixel, weights bit
for bit. What tells the time, the place or the version is left out.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from safetensors.numpy import load_file

TIMES = {"seconds", "steps_per_s", "memory_mb", "cost", "version", "date_created"}


def commands(out: Path) -> dict[str, list[str]]:
    """What is run, in this order, by the folder it writes."""
    scenes = ["--coco-json", str(out / "scenes/annotations.json")]
    scenes += ["--images", str(out / "scenes/images")]
    train = ["--device", "cpu", "--precision", "fp32", "--seed", "3"]
    short = ["--max-steps", "6", "--min-size", "96", "--batch-size", "3", "--warmup-steps", "2"]
    return {
        "scenes": ["make-scenes", "--images", "12", "--seed", "5"],
        "infer": ["infer", str(out / "scenes/images"), "--weights", "demo", "--csv"],
        "evaluate": ["evaluate", *scenes, "--weights", "demo", "--precision", "fp32"],
        "finetune": ["finetune", *scenes, "--weights", "demo", "--val-scenes", "4", *train, *short],
        "train_unet": ["train-unet", *scenes, "--max-steps", "8", "--size", "96", *train],
        "compare": ["compare-unet", *scenes, "--weights", "demo", "--unet", "unet-demo"],
        "doctor": ["doctor", *scenes, "--fix", str(out / "doctor/fixed.json")],
    }


def run_all(checkout: Path, out: Path) -> None:
    """Run every command with the code of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    for name, arguments in commands(out).items():
        program = "import sys; from instseg.cli import main; sys.exit(main(sys.argv[1:]))"
        line = [sys.executable, "-c", program, *arguments, "--out", str(out / name)]
        done = subprocess.run(
            line, cwd=checkout, env=environment, capture_output=True, text=True, check=False
        )
        (out / f"{name}.txt").write_text(done.stdout)
        if done.returncode > 1:
            print(f"{checkout}: {name} failed: {done.stderr.strip()}")


def content(path: Path, out: Path) -> Any:
    """What a file says, without time, place and version."""
    if path.suffix == ".safetensors":
        return {name: values.tobytes() for name, values in load_file(path).items()}
    if path.suffix == ".json":
        return without_times(json.loads(path.read_text().replace(str(out), "")))
    if path.suffix == ".csv":
        rows = list(csv.DictReader(path.open()))
        return [{k: v for k, v in row.items() if k not in TIMES} for row in rows]
    if path.suffix == ".png":
        with Image.open(path) as image:
            return image.mode, image.size, image.tobytes(), image.info
    return path.read_bytes().replace(str(out).encode(), b"")


def without_times(value: Any) -> Any:
    """JSON without the keys that tell the time or the version."""
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k not in TIMES}
    return [without_times(each) for each in value] if isinstance(value, list) else value


def main(old: Path, new: Path) -> int:
    """Returns 0 when everything is the same."""
    with tempfile.TemporaryDirectory() as name:
        folders = {"old": Path(name) / "old", "new": Path(name) / "new"}
        for folder, checkout in zip(folders.values(), (old, new), strict=True):
            folder.mkdir()
            run_all(checkout, folder)
        files = {key: files_of(folder) for key, folder in folders.items()}
        wrong = sorted(files["old"] ^ files["new"])
        for each in wrong:
            print(f"{each}: only in {'old' if each in files['old'] else 'new'}")
        for each in sorted(files["old"] & files["new"]):
            pair = [content(folder / each, folder) for folder in folders.values()]
            same = pair[0] == pair[1]
            print(f"{each}: {'the same' if same else 'DIFFERENT'}")
            wrong += [] if same else [each]
    print(f"{len(files['old'])} files, {len(wrong)} differ")
    return int(bool(wrong))


def files_of(folder: Path) -> set[str]:
    """What is compared: pictures of training and event files tell the time."""
    kinds = {".json", ".csv", ".safetensors", ".png", ".jpg"}
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.suffix in kinds}
    return {name for name in names if not name.endswith(("options.json", "comparison.png"))}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()))
