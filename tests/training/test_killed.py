"""Training processes that are killed: in a step, or half way through writing a file."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import instseg
from instseg.core.errors import InputError
from instseg.models.segmenters import fresh_segmenter

ROOT = Path(__file__).resolve().parents[2]
STEPS = 8  # of two epochs
DATA = {"images": "images.npy", "masks": "masks.npy"}
OPTIONS = {
    **DATA,
    "weights": "start.safetensors",
    **{f"val_{name}": path for name, path in DATA.items()},
    "epochs": 2,
    "batch_size": 2,
    "workers": 1,
    "save_every": 2,
    "device": "cpu",
    "precision": "fp32",
}
# The process stops itself at a place: before the file in question is written, it is forbidden to
# write more than so many bytes to one, and killed by the system in the middle of the file.
TRAIN = """
import json, os, resource, signal, sys
import instseg
from instseg.core.events import EpochDone, Progress, StepDone

kind, number, limit, out, options = sys.argv[1:]
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
epochs = 0

def tell(event):
    global epochs
    epochs += isinstance(event, EpochDone)
    at_step = kind == "step" and isinstance(event, StepDone) and event.step == int(number)
    measuring = isinstance(event, Progress) and event.task == "measuring"
    at_epoch = kind == "epoch" and measuring and epochs == int(number)
    if (at_step or at_epoch) and int(limit):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit),) * 2)
    elif at_step:
        print("here", flush=True)
        sys.stdin.read()

instseg.train_unet(out=out, **json.loads(options), on_event=tell)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eight images of noise with a bright half, which is class 1, and a run without a kill."""
    folder = tmp_path_factory.mktemp("killed")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 200, (8, 32, 32)).astype(np.uint8)
    images[:, :, 16:] += 50
    masks = np.zeros((8, 32, 32), dtype=np.uint8)
    masks[:, :, 16:] = 1
    np.save(folder / "images.npy", images)
    np.save(folder / "masks.npy", masks)
    fresh_segmenter(
        "unet",
        ("BG", "class 1"),
        (0, 1),
        preprocessing={"min_size": None, "max_size": None, "mean": [0.4], "std": [0.3]},
        widths=(8, 16, 32),
    ).save(folder / "start.safetensors")
    data = absolute(folder, OPTIONS)
    instseg.train_unet(out=folder / "whole", **{**OPTIONS, **data})
    return folder


def train(folder, kind, number, limit=0, *, out, **options):
    arguments = [kind, str(number), str(limit), out, json.dumps({**OPTIONS, **options})]
    return subprocess.Popen(
        [sys.executable, "-c", TRAIN, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def require_same_end(folder, out):
    """Go on with a run, and compare it with the one that was never killed."""
    found = instseg.train_unet(resume=out)
    assert found.finished and found.steps == STEPS
    one, two = load_file(folder / "whole" / "best.safetensors"), load_file(found.best)
    assert all(np.array_equal(values, two[name]) for name, values in one.items())
    for name in ("epochs.csv", "metrics.json"):
        assert (out / name).read_text() == (folder / "whole" / name).read_text()
    assert not [path.name for path in out.iterdir() if path.name.startswith(".instseg")]


def test_a_second_run_is_refused_and_a_killed_one_goes_on_to_the_same_end(folder, tmp_path):
    out = tmp_path / "out"
    with train(folder, "step", 5, out=out) as process:
        assert process.stdout.readline() == "here\n"
        who = rf"another run writes here \(process {process.pid} on {socket.gethostname()}\)"
        for options in ({**OPTIONS, "out": out}, {"resume": out}):
            with pytest.raises(InputError, match=who):
                instseg.train_unet(**{**options, **absolute(folder, options)})
        process.kill()
    require_same_end(folder, out)


def absolute(folder, options):
    return {name: folder / path for name, path in options.items() if (folder / str(path)).is_file()}


@pytest.mark.parametrize(
    ("kind", "number", "limit"),
    [("step", 6, 20_000), ("epoch", 1, 10_000)],
    ids=["a checkpoint", "a best file"],
)
def test_a_kill_while_a_file_is_written_leaves_the_former_one(
    folder, tmp_path, kind, number, limit
):
    out = tmp_path / "out"
    with train(folder, kind, number, limit, out=out) as process:
        process.communicate(timeout=300)
        assert process.returncode == -signal.SIGXFSZ
    written = list(out.glob(".instseg-*.tmp"))
    assert [path.stat().st_size for path in written] == [limit]
    require_same_end(folder, out)
