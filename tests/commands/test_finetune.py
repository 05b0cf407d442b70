"""`instseg finetune` as a user runs it."""

import csv
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from instseg.cli import main
from instseg.commands.finetune import run
from instseg.files.image import read_image
from instseg.files.model_file import read_model_card
from instseg.scenes.scene import SceneConfig, write_scenes
from instseg.training.checkpoint import load_checkpoint
from instseg.training.finetune_options import FinetuneOptions

FRESH = ["--weights", "none", "--architecture", "compact", "--workers", "0"]
TOOL = Path(__file__).resolve().parents[2] / "tools" / "finetune.py"


def test_scenes_in_a_model_file_out(tmp_path, capsys):
    scenes = ["--scenes", "8", "--scene-sizes", "[64]", "--val-scenes", "2", "--batch-size", "2"]
    (tmp_path / "log.csv").write_text("of another run\n")
    assert (
        main(["finetune", *FRESH, *scenes, "--out", str(tmp_path), "--weights-dtype", "fp16"]) == 0
    )
    path = tmp_path / "best.safetensors"
    assert str(path) in capsys.readouterr().out
    card = read_model_card(path)
    assert card.architecture == "compact"
    assert len(card.class_names) == 17
    assert card.category_ids[card.class_names.index("stop sign")] == 13
    assert card.provenance["recipe"]["scenes"] == 8
    assert "AP" in json.loads((tmp_path / "metrics.json").read_text())["segm"]
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    assert rows[-1]["step"] == "4"
    assert float(rows[-1]["loss"]) > 0
    assert not (tmp_path / "checkpoint.pt").exists()


def test_a_coco_dataset_and_a_start_from_other_classes(tmp_path, capsys, tiny_weights):
    path = write_scenes(tmp_path / "data", 4, SceneConfig(size_hw=(64, 80)))
    document = json.loads(path.read_text())
    document["categories"].append({"id": 999, "name": "cat"})  # the starting weights know it
    path.write_text(json.dumps(document))
    data = ["--coco-json", str(path), "--images", str(path.parent / "images"), "--epochs", "1"]
    options = ["--weights", str(tiny_weights), "--workers", "0", "--batch-size", "2"]
    options += ["--init-classes", "dog=donut"]
    assert main(["finetune", *data, *options, "--out", str(tmp_path / "out")]) == 0
    told = {line[:15].strip(): line[15:].strip() for line in capsys.readouterr().out.splitlines()}
    assert (told["cat"], told["donut"], told["cup"]) == ("cat", "dog", "nothing")
    card = read_model_card(tmp_path / "out" / "best.safetensors")
    assert card.category_ids[card.class_names.index("cat")] == 999


def test_a_dataset_with_errors_is_refused_or_skipped(tmp_path, capsys):
    path = write_scenes(tmp_path / "data", 4, SceneConfig(size_hw=(64, 64)))
    document = json.loads(path.read_text())
    document["annotations"][0]["bbox"] = [1, 2, 0, -3]
    document["images"].append({"id": 77, "file_name": "gone.jpg", "height": 64, "width": 64})
    path.write_text(json.dumps(document))
    data = ["--coco-json", str(path), "--images", str(path.parent / "images"), "--epochs", "1"]
    command = ["finetune", *data, *FRESH, "--batch-size", "2", "--out", str(tmp_path / "out")]
    assert main(command) == 2
    told = capsys.readouterr().err
    assert "box-degenerate" in told
    assert "photo-missing" in told
    assert "instseg doctor --coco-json" in told
    assert not (tmp_path / "out" / "best.safetensors").exists()
    assert main([*command, "--auto-repair"]) == 0
    assert "2 changes" in capsys.readouterr().out
    card = read_model_card(tmp_path / "out" / "best.safetensors")
    assert card.provenance["recipe"]["auto_repair"] is True
    left = json.loads((tmp_path / "out" / "sound_train.json").read_text())
    assert "gone.jpg" not in {image["file_name"] for image in left["images"]}


def test_stages_and_augmentation_come_from_a_config_file(tmp_path):
    path = write_scenes(tmp_path / "data", 4, SceneConfig(size_hw=(64, 64)))
    config = tmp_path / "own.yaml"
    config.write_text(
        "layers: heads:1,all:2\noptimizer: sgd\nschedule: cosine\nbatch-size: 2\n"
        "augment:\n  - RandomHorizontalFlip\n  - ColorJitter: {brightness: 0.5}\n"
    )
    data = ["--coco-json", str(path), "--images", str(path.parent / "images")]
    command = ["finetune", *data, *FRESH, "--config", str(config), "--out", str(tmp_path / "out")]
    assert main([*command, "--show-batch"]) == 0
    assert read_image(tmp_path / "out" / "batches.png").shape == (736, 1320, 3)  # 2 x 4 photos
    rows = list(csv.DictReader((tmp_path / "out" / "log.csv").open()))
    assert rows[-1]["step"] == "6"  # two batches in each of three epochs


def test_every_epoch_is_measured_and_a_run_without_progress_stops(tmp_path, capsys):
    """At a learning rate of almost nothing the second epoch is no better than the first."""
    path = write_scenes(tmp_path / "data", 4, SceneConfig(size_hw=(96, 96)))
    data = ["--coco-json", str(path), "--images", str(path.parent / "images")]
    data += ["--val-coco-json", str(path), "--weights", "demo", "--workers", "0"]
    options = ["--epochs", "9", "--patience", "2", "--learning-rate", "1e-12"]
    assert main(["finetune", *data, *options, "--out", str(tmp_path / "out")]) == 0
    rows = list(csv.DictReader((tmp_path / "out" / "epochs.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    best = read_model_card(tmp_path / "out" / "best.safetensors").provenance["metrics"]
    assert float(rows[0]["mask_AP"]) == pytest.approx(best["segm"]["AP"], rel=1e-4)
    assert float(rows[0]["val_loss_mask"]) > 0
    assert read_image(tmp_path / "out" / "worst.png").shape == (562, 516, 3)  # four photos
    assert "mask AP" in capsys.readouterr().out


def test_a_run_goes_on_after_a_kill_and_after_a_full_disk(tmp_path):
    scenes = ["--scenes", "60", "--scene-sizes", "[64]", "--batch-size", "2", "--save-every", "2"]
    command = [sys.executable, TOOL, *FRESH, *scenes, "--out", tmp_path]
    running = subprocess.Popen(command)
    deadline = time.monotonic() + 120
    while not (tmp_path / "checkpoint.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not (tmp_path / "best.safetensors").exists()
    resume = [sys.executable, TOOL, "--resume", tmp_path]
    full = subprocess.run(
        resume,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20)),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert full.returncode == 2
    assert "checkpoint.pt: cannot be written" in full.stderr
    subprocess.run(resume, check=True)
    steps = [int(row["step"]) for row in csv.DictReader((tmp_path / "log.csv").open())]
    assert steps == [20, 30]
    assert read_model_card(tmp_path / "best.safetensors").provenance["recipe"]["scenes"] == 60


def test_a_killed_run_goes_on_and_ends_as_if_it_had_not_been(tmp_path, tiny_weights):
    path = write_scenes(tmp_path / "data", 6, SceneConfig(size_hw=(64, 64)))
    data = ["--coco-json", str(path), "--images", str(path.parent / "images")]
    options = [*data, "--val-coco-json", str(path), "--weights", str(tiny_weights)]
    options += ["--batch-size", "2", "--epochs", "4", "--save-every", "1", "--workers", "0"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert main(["finetune", *options, "--out", str(whole)]) == 0
    running = subprocess.Popen([sys.executable, TOOL, *options, "--out", killed])
    while not (killed / "checkpoint.pt").exists() and running.poll() is None:
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert 1 <= load_checkpoint(killed / "checkpoint.pt")["step"] < 12
    assert main(["finetune", "--resume", str(killed)]) == 0
    one, two = (load_file(run / "best.safetensors") for run in (whole, killed))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    for name in ("epochs.csv", "metrics.json"):
        assert (whole / name).read_bytes() == (killed / name).read_bytes()


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path):
    scenes = ["--scenes", "400", "--scene-sizes", "[64]", "--batch-size", "2", "--workers", "1"]
    command = [sys.executable, TOOL, *FRESH[:-2], *scenes, "--out", tmp_path]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    for line in running.stdout:
        if " steps of " in line:
            break
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does, to all processes
    told = running.communicate()[1]
    assert running.returncode == 130
    assert "--resume goes on" in told
    step = int(told.split("stopped after step ")[1].split(",")[0])
    assert load_checkpoint(tmp_path / "checkpoint.pt")["step"] == step


def test_the_weights_to_start_from_are_not_overwritten(tmp_path, capsys, tiny_weights):
    start = tmp_path / "best.safetensors"
    start.write_bytes(tiny_weights.read_bytes())
    command = ["finetune", "--scenes", "8", "--weights", str(start), "--out", str(tmp_path)]
    assert main(command) == 2
    assert "would be overwritten" in capsys.readouterr().err
    assert start.read_bytes() == tiny_weights.read_bytes()


def test_a_dataset_without_photos_is_refused(tmp_path, capsys):
    path = tmp_path / "empty.json"
    path.write_text('{"images": [], "annotations": [], "categories": [{"id": 1, "name": "cup"}]}')
    data = ["--coco-json", str(path), "--images", str(tmp_path)]
    assert main(["finetune", *data, *FRESH, "--out", str(tmp_path / "out")]) == 2
    assert "has no images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "--coco-json"),
        (["--coco-json", "a.json"], "--images"),
        (["--coco-json", "a.json", "--images", ".", "--scenes", "8"], "--scenes"),
        (["--scenes", "8", "--weights", "none"], "--architecture"),
        (
            ["--scenes", "8", "--val-scenes", "2", "--val-coco-json", "a.json", *FRESH],
            "take one of",
        ),
        (["--scenes", "8", "--init-classes", "cup"], "OLD=NEW"),
        (["--scenes", "8", "--layers", "heads:2", *FRESH], "SCOPE:EPOCHS"),
        (["--scenes", "8", "--layers", "legs", *FRESH], "--layers: choose one of heads"),
        (["--scenes", "8", "--scene-sizes", "[100]", *FRESH], "--scene-sizes"),
        (["--scenes", "1", "--batch-size", "2", *FRESH], "batch"),
        (["--scenes", "8", "--keep-classes", *FRESH], "--keep-classes needs"),
        (["--scenes", "8", "--schedule", "plateau", *FRESH], "--val-coco-json"),
        (
            ["--scenes", "8", "--gradient-accumulation-steps", "0", *FRESH],
            "--gradient-accumulation-steps must be at least 1",
        ),
        (["--scenes", "8", "--resume", "gone"], "give no others"),
        (["--scenes", "8", "--cooldown", "30", *FRESH], "--cooldown must lie between 0 and 1"),
        (["--scenes", "8", "--epochs", "3", *FRESH], "not --epochs"),
        (["--scenes", "8", "--layers", "heads:5,al:20", *FRESH], "5+, 4+, 3+, all, not al"),
        (["--coco-json", "none.json", "--images", ".", *FRESH], "none.json"),
        (["--scenes", "8", "--weights", "none", "--architecture", "big"], "big"),
    ],
)
def test_wrong_options_are_one_line(tmp_path, capsys, options, words):
    assert main(["finetune", *options, "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1


def test_there_must_be_a_run_to_go_on_with(tmp_path, capsys):
    assert main(["finetune", "--resume", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "options.json: no run to resume" in told
    assert told.count("\n") == 1


def test_two_processes_with_uneven_data_and_photos_without_objects(tmp_path):
    path = write_scenes(tmp_path / "data", 5, SceneConfig(size_hw=(64, 64)))
    document = json.loads(path.read_text())
    document["annotations"] = [a for a in document["annotations"] if a["image_id"] > 2]
    path.write_text(json.dumps(document))
    data = ["--coco-json", str(path), "--images", str(path.parent / "images")]
    data += ["--val-coco-json", str(path), "--min-size", "64"]
    options = ["--batch-size", "1", "--epochs", "2", "--out", str(tmp_path / "out")]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, "--standalone", TOOL, *data, *FRESH, *options],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "6 steps of 2 images in 2 epochs" in done.stdout
    assert done.stdout.count("trained for 6 steps") == 1
    rows = list(csv.DictReader((tmp_path / "out" / "epochs.csv").open()))
    assert [row["step"] for row in rows] == ["3", "6"]
    metrics = read_model_card(tmp_path / "out" / "best.safetensors").provenance["metrics"]
    assert metrics["segm"]["AP"] == pytest.approx(max(float(r["mask_AP"]) for r in rows), rel=1e-4)


def test_the_config_file_has_every_option_with_its_default():
    path = Path(__file__).resolve().parents[2] / "configs" / "finetune.yaml"
    held = yaml.safe_load(path.read_text())
    for name, default in FinetuneOptions().given().items():
        key = name.replace("_", "-")
        if default is not None:
            assert held[key] == (str(default) if isinstance(default, Path) else default), key
        elif key != "resume":
            assert f"# {key}:\n" in path.read_text(), key


def test_old_classes_are_kept_beside_new_ones(tmp_path, capsys):
    path = write_scenes(tmp_path / "data", 4, SceneConfig(size_hw=(96, 96)))
    document = json.loads(path.read_text())
    kites = [c["id"] for c in document["categories"] if c["name"] == "kite"]
    document["categories"] = [{"id": kites[0], "name": "my kite"}]
    document["annotations"] = [a for a in document["annotations"] if a["category_id"] in kites]
    path.write_text(json.dumps(document))
    data = ["--coco-json", str(path), "--images", str(path.parent / "images"), "--workers", "0"]
    options = [
        "--weights",
        "demo",
        "--keep-classes",
        "--init-classes",
        "kite=my kite",
        "--max-steps",
        "2",
    ]
    assert main(["finetune", *data, *options, "--out", str(tmp_path / "out")]) == 0
    assert "my kite" in capsys.readouterr().out
    card = read_model_card(tmp_path / "out" / "best.safetensors")
    assert len(card.class_names) == 17
    assert "kite" not in card.class_names
    labels = json.loads((tmp_path / "out" / "pseudo_labels.json").read_text())
    assert len(labels["annotations"]) > len(document["annotations"])


def test_validation_data_that_can_tell_nothing_is_refused(tmp_path, capsys):
    path = write_scenes(tmp_path / "data", 2, SceneConfig(size_hw=(64, 64)))
    document = json.loads(path.read_text())
    bare = tmp_path / "bare.json"
    bare.write_text(json.dumps(document | {"annotations": []}))
    images = str(path.parent / "images")
    data = ["--coco-json", str(path), "--images", images, "--val-coco-json", str(bare)]
    assert main(["finetune", *data, *FRESH, "--out", str(tmp_path / "out")]) == 2
    assert "no objects of the trained classes" in capsys.readouterr().err


def test_in_a_thread_the_command_trains_too(tmp_path, tiny_weights, capsys):
    options = FinetuneOptions(
        scenes=2,
        scene_sizes=[64],
        batch_size=2,
        weights=str(tiny_weights),
        workers=0,
        out=tmp_path,
    )
    done = []
    thread = threading.Thread(target=lambda: done.append(run(options)))
    thread.start()
    thread.join()
    assert done == [0]
    assert "trained for 1 step" in capsys.readouterr().out


def test_options_may_be_called_by_their_old_names(tmp_path, tiny_weights):
    path = write_scenes(tmp_path / "data", 2, SceneConfig(size_hw=(64, 64)))
    data = ["--coco-json", str(path), "--images", str(path.parent / "images"), "--workers", "0"]
    old = ["--accumulate", "2", "--clip-norm", "5", "--average-decay", "0.9", "--rare", "0.01"]
    old += ["--skip-bad", "--map", "dog=donut", "--train", "heads", "--store", "fp16"]
    command = ["finetune", *data, *old, "--weights", str(tiny_weights), "--max-steps", "1"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    recipe = read_model_card(tmp_path / "out" / "best.safetensors").provenance["recipe"]
    new = {"gradient_accumulation_steps": 2, "clip_grad_norm": 5.0, "ema_decay": 0.9}
    new |= {"repeat_threshold": 0.01, "auto_repair": True, "init_classes": "dog=donut"}
    new |= {"layers": "heads", "weights_dtype": "fp16"}
    assert new.items() <= recipe.items()
