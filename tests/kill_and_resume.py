"""Kills a training at random steps and shows that nothing is lost; run by hand.

    python tests/kill_and_resume.py

A run with ten SIGKILLs, each at a random step, and a run without any must end with the same
weights, bit for bit, the same measurements after each epoch, and no row of a log twice. The
result of a run is in docs/finetuning.md.
"""

import csv
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from instseg.scenes.scene import SceneConfig, write_scenes
from instseg.training.checkpoint import load_checkpoint

TOOL = Path(__file__).resolve().parents[1] / "tools" / "finetune.py"
KILLS = 10
STEPS = 120


def saved_step(folder: Path) -> int:
    """Where a run would go on."""
    path = folder / "checkpoint.pt"
    return int(load_checkpoint(path)["step"]) if path.exists() else 0


def main() -> int:
    """Returns 0 when the two runs end alike."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        train = write_scenes(root / "train", 24, SceneConfig(size_hw=(96, 96), seed=1))
        val = write_scenes(root / "val", 4, SceneConfig(size_hw=(96, 96), seed=2))
        command = [sys.executable, str(TOOL), "--coco-json", str(train), "--weights", "demo"]
        command += ["--images", str(train.parent / "images"), "--min-size", "96"]
        command += ["--val-coco-json", str(val), "--val-images", str(val.parent / "images")]
        command += ["--max-steps", str(STEPS), "--layers", "heads:5,all:95", "--save-every", "3"]
        whole, killed = root / "whole", root / "killed"
        subprocess.run([*command, "--out", str(whole)], check=True, stdout=subprocess.DEVNULL)
        running = [*command, "--out", str(killed)]
        for number in range(1, KILLS + 1):
            print(f"kill {number}: {kill_at_random(running, killed, chance)}", flush=True)
            running = [sys.executable, str(TOOL), "--resume", str(killed)]
            if not (killed / "checkpoint.pt").exists():  # not one was saved yet
                running = [*command, "--out", str(killed)]
        subprocess.run(running, check=True, stdout=subprocess.DEVNULL)
        return compare(whole, killed)


def kill_at_random(command: list[str], folder: Path, chance: random.Random) -> str:
    """Start, let it save up to five times and train on for a while, kill; returns what was."""
    before = saved_step(folder)
    checkpoint = folder / "checkpoint.pt"
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    for line in process.stdout:
        if " steps of " in line:  # it has told what it will take, and trains
            break
    saves, last = chance.randint(0, 5), time_of(checkpoint)
    while saves and process.poll() is None:
        time.sleep(0.02)
        if time_of(checkpoint) != last:
            saves, last = saves - 1, time_of(checkpoint)
    time.sleep(chance.uniform(0, 2))
    process.send_signal(signal.SIGKILL)
    process.wait()
    return f"went on after step {before}, killed; the next goes on after {saved_step(folder)}"


def time_of(path: Path) -> int:
    """When a file was written; 0 when it is not there."""
    return path.stat().st_mtime_ns if path.exists() else 0


def compare(whole: Path, killed: Path) -> int:
    """Weights and logs of two runs; returns 0 when they are the same."""
    weights = [load_file(run / "best.safetensors") for run in (whole, killed)]
    differing = sum(not np.array_equal(a, weights[1][name]) for name, a in weights[0].items())
    print(f"{len(weights[0])} tensors, {differing} differ")
    epochs = [(run / "epochs.csv").read_text() for run in (whole, killed)]
    print(f"epochs.csv: {'the same' if epochs[0] == epochs[1] else 'different'}")
    steps = [
        [row["step"] for row in csv.DictReader((run / "log.csv").open())] for run in (whole, killed)
    ]
    print(f"log.csv: {'the same steps' if steps[0] == steps[1] else 'different steps'}")
    return int(bool(differing) or epochs[0] != epochs[1] or steps[0] != steps[1])


if __name__ == "__main__":
    sys.exit(main())
