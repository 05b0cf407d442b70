"""`instseg train-unet` as a user runs it."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.numpy import load_file

from instseg.cli import main
from instseg.files.image import read_image
from instseg.files.model_file import read_model_card
from instseg.models.mask_rcnn import fresh_model
from instseg.models.segmenters import PREPROCESSING, fresh_segmenter
from instseg.predict.segmenter import Segmenter
from instseg.scenes.scene import SceneConfig, write_scenes
from instseg.training.unet_options import TrainUnetOptions
from instseg.visualize import figures

TOOL = Path(__file__).resolve().parents[2] / "tools" / "train_unet.py"
QUICK = ["--workers", "0", "--batch-size", "4"]
LITE = ["--architecture", "unet_efficientnet_lite0"]
PRIORITY = ["--rule", "class-priority", "--priority"]


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def squares(count, size_hw=(32, 40), seed=0):
    """Noise with a bright square of value 1, a dim border of value 3 around it, and 2 elsewhere."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 60, (count, *size_hw)).astype(np.uint8)
    masks = np.full((count, *size_hw), 2, dtype=np.uint8)
    for image, mask in zip(images, masks, strict=True):
        y, x = (int(rng.integers(1, side - 17)) for side in size_hw)
        image[y : y + 16, x : x + 16] += 150
        mask[y - 1 : y + 17, x - 1 : x + 17] = 3
        mask[y : y + 16, x : x + 16] = 1
    return images, masks


def write_folders(folder, count=10):
    images, masks = squares(count)
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for i in range(count):
        Image.fromarray(images[i]).convert("RGB").save(folder / "images" / f"{i}.jpg")
        Image.fromarray(masks[i]).save(folder / "masks" / f"{i}.png")
    folders = ["--images", str(folder / "images"), "--masks", str(folder / "masks")]
    return [*folders, "--values", "1=pet,2=BG,3=ignore"]


def write_arrays(folder, images, masks):
    folder.mkdir()
    np.save(folder / "images.npy", images)
    np.save(folder / "masks.npy", masks)
    return ["--images", str(folder / "images.npy"), "--masks", str(folder / "masks.npy")]


def test_scenes_in_a_model_file_out(tmp_path, capsys):
    scenes = ["--scenes", "12", "--scene-size", "64", "--val-scenes", "2", "--epochs", "2"]
    assert (
        main(["train-unet", *scenes, *QUICK, "--out", str(tmp_path), "--weights-dtype", "fp16"])
        == 0
    )
    told = capsys.readouterr().out
    path = tmp_path / "best.safetensors"
    assert str(path) in told
    assert "6 steps of 4 images in 2 epochs" in told
    assert "no pixel of the validation images is of" in told
    card = read_model_card(path)
    assert (card.architecture, len(card.class_names)) == ("unet_small", 17)
    assert card.provenance["recipe"]["scenes"] == 12
    assert sum(card.provenance["class_pixels"].values()) == 12 * 64 * 64
    metrics = card.provenance["metrics"]
    assert metrics == json.loads((tmp_path / "metrics.json").read_text())
    assert path.stat().st_size < 1.1e6
    epochs = rows(tmp_path / "epochs.csv")
    assert [row["step"] for row in epochs] == ["3", "6"]
    best = max(float(row["mIoU"]) for row in epochs)
    assert metrics["scores"]["mIoU"] == pytest.approx(best, rel=1e-4)
    assert float(epochs[0]["val_loss"]) > 0
    assert {"ce", "dice", "mIoU"} <= rows(tmp_path / "log.csv")[0].keys()
    assert read_image(tmp_path / "history.png").shape == (600, 1440, 3)
    assert read_image(tmp_path / "worst.png").shape == (416, 512, 3)  # 2 x 3 pictures
    photo = read_image(tmp_path / "val_scenes" / "images" / "000000.jpg")
    assert Segmenter(path, device="cpu")(photo).shape == (64, 64)
    assert not (tmp_path / "checkpoint.pt").exists()


def test_folders_with_values_are_split_and_learnt(tmp_path, capsys):
    data = write_folders(tmp_path)
    options = ["--epochs", "4", "--batch-size", "1", "--workers", "0", "--augment", "[]"]
    options += ["--optimizer", "adam", "--learning-rate", "0.003", "--warmup-steps", "5"]
    options += ["--ema-decay", "0.8"]
    assert main(["train-unet", *data, *options, "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert "over 2 classes with the background" in told
    parted = json.loads((tmp_path / "out" / "split.json").read_text())
    assert (len(parted["train"]), len(parted["val"])) == (8, 2)
    epochs = rows(tmp_path / "out" / "epochs.csv")
    best = max(float(row["mIoU"]) for row in epochs)
    assert best > float(epochs[0]["mIoU"]) + 0.3
    card = read_model_card(tmp_path / "out" / "best.safetensors")
    assert (card.class_names, card.category_ids) == (("BG", "pet"), (0, 1))
    assert card.provenance["class_pixels"]["pet"] == 8 * 16 * 16


def test_arrays_of_floats_are_normalised_by_their_own_mean(tmp_path):
    images, masks = squares(6)
    np.save(tmp_path / "images.npy", images * 10.0 - 500)
    np.save(tmp_path / "masks.npy", masks % 3)
    data = ["--images", str(tmp_path / "images.npy"), "--masks", str(tmp_path / "masks.npy")]
    options = ["--max-steps", "3", "--size", "24", "--val-share", "0", "--no-skips"]
    assert main(["train-unet", *data, *QUICK, *options, "--out", str(tmp_path / "out")]) == 0
    path = tmp_path / "out" / "best.safetensors"
    card = read_model_card(path)
    assert card.architecture_args == {"num_classes": 3, "in_channels": 1, "skips": False}
    assert card.preprocessing["mean"] == pytest.approx([images.mean() * 10 - 500])
    assert card.preprocessing["min_size"] == 24
    assert card.preprocessing["input"] == "arrays"
    assert Segmenter(path, device="cpu")(images[0] * 10.0 - 500).shape == (32, 40)
    assert not (tmp_path / "out" / "epochs.csv").exists()  # nothing to measure with


def test_annotations_and_a_start_from_a_model_of_other_classes(tmp_path, capsys):
    path = write_scenes(tmp_path / "data", 4, SceneConfig(size_hw=(64, 80)))
    data = ["--coco-json", str(path), "--images", str(path.parent / "images"), "--size", "48"]
    first = ["--val-coco-json", str(path), "--epochs", "1", "--loss", "ce(weights=effective)"]
    out = [str(tmp_path / name) for name in ("one", "two")]
    assert main(["train-unet", *data, *first, *QUICK, "--out", out[0]]) == 0
    assert not (tmp_path / "one" / "split.json").exists()
    document = json.loads(path.read_text())
    document["categories"][2]["name"] = "motor car"
    path.write_text(json.dumps(document))
    capsys.readouterr()
    start = ["--weights", str(tmp_path / "one" / "best.safetensors"), "--learning-rate", "1e-12"]
    options = ["--val-coco-json", str(path), "--epochs", "1", *start, "--ema-decay", "0"]
    assert main(["train-unet", *data, *options, *QUICK, "--out", out[1]]) == 0
    told = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["motor", "car", "nothing"] for line in told)
    one, two = (load_file(tmp_path / run / "best.safetensors") for run in ("one", "two"))
    changed = document["categories"][2]["id"]
    row = read_model_card(tmp_path / "two" / "best.safetensors").category_ids.index(changed)
    same = np.isclose(one["head.weight"], two["head.weight"], atol=1e-6).all(axis=(1, 2, 3))
    assert np.flatnonzero(~same).tolist() == [row]


def test_other_weights_bring_their_network_and_the_data_its_mean(tmp_path):
    images, masks = squares(4)
    data = write_arrays(tmp_path / "data", images * 10.0 - 500, masks % 3)
    photos = {**PREPROCESSING, "mean": [0.45], "std": [0.23], "min_size": 24}
    options = {"preprocessing": photos, "widths": (4, 8), "skips": False}
    fresh_segmenter("unet", ("BG", "class 1"), (0, 1), **options).save(tmp_path / "start")
    start = ["--weights", str(tmp_path / "start"), "--max-steps", "1", "--val-share", "0"]
    assert main(["train-unet", *data, *start, *QUICK, "--out", str(tmp_path / "out")]) == 0
    card = read_model_card(tmp_path / "out" / "best.safetensors")
    assert card.preprocessing["mean"] == pytest.approx([images.mean() * 10 - 500])
    assert card.preprocessing["std"] == pytest.approx([images.std() * 10])
    assert card.preprocessing["min_size"] == 24
    recipe = card.provenance["recipe"]
    assert (recipe["architecture"], recipe["skips"]) == ("unet", False)


def test_an_encoder_of_an_instance_model_is_trained_further(tmp_path):
    torch.manual_seed(1)
    fresh_model("efficientnet_lite0_fpn", ("BG", "cup"), (0, 47)).save(tmp_path / "instances")
    start = [*LITE, "--encoder-weights", str(tmp_path / "instances"), "--layers", "5+"]
    options = [*start, "--backbone-learning-rate", "1e-4", "--max-steps", "1", "--val-share", "0"]
    command = ["train-unet", *QUICK, *options, "--ema-decay", "0", "--out", str(tmp_path / "out")]
    assert main([*command, *write_folders(tmp_path / "photos", 4)]) == 0
    path = tmp_path / "out" / "best.safetensors"
    card = read_model_card(path)
    assert (card.preprocessing["mean"], card.preprocessing["std"]) == ([0.498] * 3, [0.502] * 3)
    before, after = load_file(tmp_path / "instances"), load_file(path)
    same = [n for n in after if n.startswith("backbone") and np.array_equal(after[n], before[n])]
    assert "backbone.body.stages.3.0.project.0.weight" in same
    assert "backbone.body.stages.5.0.project.0.weight" not in same
    assert "backbone.head.1.running_mean" in same  # batches are small


def test_photos_made_grey_are_normalised_as_the_weights_have_it(tmp_path, capsys):
    photos = {**PREPROCESSING, "mean": [0.45], "std": [0.23]}
    options = {"preprocessing": photos, "widths": (4, 8)}
    fresh_segmenter("unet", ("BG", "pet"), (0, 1), **options).save(tmp_path / "start")
    start = ["--weights", str(tmp_path / "start"), "--max-steps", "1", "--val-share", "0"]
    command = ["train-unet", *start, *QUICK, "--out", str(tmp_path / "out")]
    assert main([*command, *write_folders(tmp_path / "photos", 4)]) == 0
    card = read_model_card(tmp_path / "out" / "best.safetensors")
    assert card.preprocessing == photos
    images, masks = squares(4)
    colours = write_arrays(tmp_path / "floats", np.stack([images * 0.1] * 3, axis=-1), masks % 3)
    assert main([*command, *colours]) == 2
    assert "takes 1 channels, the images have 3" in capsys.readouterr().err


def test_a_run_that_has_ended_is_left_alone(tmp_path, capsys):
    data = write_folders(tmp_path, 5)
    out = tmp_path / "out"
    assert main(["train-unet", *data, *QUICK, "--max-steps", "1", "--out", str(out)]) == 0
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    capsys.readouterr()
    assert main(["train-unet", "--resume", str(out)]) == 2
    told = capsys.readouterr()
    assert f"{out / 'best.safetensors'}: the run has ended" in told.err
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    assert main(["train-unet", *data, *QUICK, "--max-steps", "1", "--out", str(out)]) == 0


def test_two_processes_with_uneven_data_and_an_image_without_labels(tmp_path):
    data = write_folders(tmp_path, 5)
    Image.fromarray(np.full((32, 40), 3, dtype=np.uint8)).save(tmp_path / "masks" / "1.png")
    data += ["--val-images", str(tmp_path / "images"), "--val-masks", str(tmp_path / "masks")]
    options = ["--batch-size", "1", "--epochs", "2", "--workers", "0", "--out", tmp_path / "out"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, "--standalone", TOOL, *data, *options],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "6 steps of 2 images in 2 epochs" in done.stdout
    assert done.stdout.count("trained for 6 steps") == 1
    epochs = rows(tmp_path / "out" / "epochs.csv")
    assert [row["step"] for row in epochs] == ["3", "6"]
    metrics = read_model_card(tmp_path / "out" / "best.safetensors").provenance["metrics"]
    best = max(float(row["mIoU"]) for row in epochs)
    assert metrics["scores"]["mIoU"] == pytest.approx(best, rel=1e-4)


def test_a_killed_run_goes_on_and_ends_as_if_it_had_not_been(tmp_path, capsys):
    data = write_folders(tmp_path)
    options = [*data, "--workers", "0", "--batch-size", "1", "--epochs", "3"]
    options += ["--save-every", "3", "--size", "24"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert main(["train-unet", *options, "--out", str(whole)]) == 0
    running = subprocess.Popen([sys.executable, TOOL, *options, "--out", killed])
    while not (killed / "checkpoint.pt").exists() and running.poll() is None:
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert (killed / "checkpoint.pt").exists()
    files = [path for path in killed.rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files if not path.name.startswith(".instseg")}
    assert main(["train-unet", *options, "--val-share", "0.5", "--out", str(killed)]) == 2
    assert main(["finetune", "--resume", str(killed)]) == 2
    said = capsys.readouterr().err
    assert f"is of a run that was stopped; continue it with --resume {killed}" in said
    assert "is of a run of another command" in said
    assert before == {path: path.read_bytes() for path in before}  # nothing is lost
    assert main(["train-unet", "--resume", str(killed)]) == 0
    one, two = (load_file(run / "best.safetensors") for run in (whole, killed))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert rows(whole / "epochs.csv") == rows(killed / "epochs.csv")


def test_curves_have_their_epochs_where_they_end(tmp_path, monkeypatch):
    """Five batches by two are three steps, the last of one batch."""
    drawn = []
    monkeypatch.setattr(figures, "save_figure", lambda figure, path: drawn.append(figure))
    data = [*write_folders(tmp_path, 5), "--val-images", f"{tmp_path}/images"]
    data += ["--val-masks", f"{tmp_path}/masks", "--size", "24", "--workers", "0"]
    options = ["--batch-size", "1", "--gradient-accumulation-steps", "2", "--epochs", "2"]
    assert main(["train-unet", *data, *options, "--out", str(tmp_path / "out")]) == 0
    scores = drawn[-1].axes[1].lines[-1]
    assert list(scores.get_xdata()) == [1, 2]


def test_a_run_without_progress_slows_down_and_stops(tmp_path):
    """At a learning rate of almost nothing, without norms, no epoch is better than the first."""
    data = [*write_folders(tmp_path), "--architecture", "unet_dropout"]
    options = ["--epochs", "9", "--patience", "2", "--learning-rate", "1e-12", *QUICK]
    options += ["--schedule", "plateau", "--plateau-patience", "1", "--warmup-steps", "0"]
    assert main(["train-unet", *data, *options, "--out", str(tmp_path / "out")]) == 0
    assert len(rows(tmp_path / "out" / "epochs.csv")) == 3
    (means,) = rows(tmp_path / "out" / "log.csv")
    assert float(means["lr"]) == pytest.approx((4 * 1e-12 + 2 * 1e-13) / 6, rel=1e-3)


def test_all_that_is_wrong_with_the_data_is_told_first(tmp_path, capsys):
    data = write_folders(tmp_path, 5)
    (tmp_path / "masks" / "1.png").unlink()
    Image.fromarray(np.full((32, 40), 7, dtype=np.uint8)).save(tmp_path / "masks" / "2.png")
    assert main(["train-unet", *data, "--out", str(tmp_path / "out"), "--val-share", "0"]) == 2
    told = capsys.readouterr().err
    assert "2 of 5 images cannot be used" in told
    assert "1.jpg" in told
    assert "2.png: holds 7" in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("other", "kind"),
    [
        (lambda images: images * np.float32(10), "is float32 of 1 channels"),
        (lambda images: np.stack([images] * 3, axis=-1), "is uint8 of 3 channels"),
    ],
)
def test_training_and_validation_images_must_be_of_one_kind(tmp_path, capsys, other, kind):
    images, masks = squares(3)
    data = write_arrays(tmp_path / "train", images, masks % 3)
    val = write_arrays(tmp_path / "val", other(images), masks % 3)
    val = [each.replace("--", "--val-") if each[0] == "-" else each for each in val]
    assert main(["train-unet", *data, *val, *QUICK, "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert f"images.npy[0]: {kind}" in told
    assert "uint8 of 1 channels" in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "say what to train on"),
        (["--scenes", "8", "--masks", "."], "say what to train on"),
        (["--masks", "."], "--images"),
        (["--scenes", "8", "--values", "1=cup"], "--values is for --masks"),
        (["--scenes", "8", "--val-scenes", "2", "--val-coco-json", "a.json"], "take one of"),
        (["--scenes", "8", "--val-share", "1"], "--val-share"),
        (["--scenes", "8", "--val-masks", "."], "--val-masks goes with --masks"),
        (["--scenes", "8", "--val-coco-json", "a.json"], "--val-images"),
        (["--scenes", "8", "--rule", "class-priority"], "--priority"),
        (["--masks", ".", "--images", ".", *PRIORITY, "cup"], "--rule and --priority"),
        (["--scenes", "2", "--scene-size", "64", *PRIORITY, "unicorn"], "unicorn"),
        (["--scenes", "8", "--val-images", "."], "--val-images needs"),
        (["--scenes", "8", "--weights", "demo", "--architecture", "unet_64"], "has its own"),
        (["--scenes", "8", "--weights", "demo", "--no-skips"], "has its own"),
        (["--scenes", "8", "--weights", "demo", "--encoder-weights", "imagenet"], "has its own"),
        (["--scenes", "8", "--cooldown", "7"], "--cooldown must lie between 0 and 1"),
        (["--scenes", "8", "--workers", "-1"], "--workers must be at least 0"),
        (["--scenes", "8", "--seed", "-5"], "--seed must lie between 0 and"),
        (["--scenes", "8", "--seed", "18446744073709551616"], "--seed must lie between 0 and"),
        (["--scenes", "-6"], "--scenes must be at least 0, not -6"),
        (
            ["--scenes", "8", "--learning-rate", "-1"],
            "--learning-rate must be above 0",
        ),
        (["--scenes", "8", "--clip-grad-norm", "0"], "--clip-grad-norm must be above 0"),
        (["--scenes", "8", "--ema-decay", "5"], "--ema-decay must lie between 0 and 1"),
        (["--scenes", "8", "--loss", "0*ce + dice"], "a weight of 0 has no effect"),
        (["--scenes", "8", "--weights", "demo"], "holds compact, which predicts instances"),
        (["--scenes", "8", "--augment", "[foo]"], "foo"),
        (["--scenes", "8", "--device", "gpu"], "gpu"),
        (["--scenes", "8", "--plateau-patience", "0"], "--plateau-patience must be at least 1"),
        (["--scenes", "8", "--architecture", "compact"], "semantic network 'compact'"),
        (["--scenes", "8", "--weights", "gone.safetensors"], "no such weights file"),
        (["--scenes", "8", "--architecture", "fcn_resnet50", "--no-skips"], "--no-skips"),
        (["--scenes", "8", "--layers", "heads"], "are for unet_efficientnet_lite0, not for"),
        (["--scenes", "8", "--layers", "2"], "--layers: choose one of heads"),
        (["--scenes", "8", "--backbone-learning-rate", "0"], "must be above 0"),
        (["--scenes", "8", "--encoder-weights", "demo", *LITE], "demo holds compact"),
        (["--scenes", "8", "--loss", "cd"], "--loss 'cd'"),
        (["--scenes", "8", "--size", "8"], "--size must be at least 16"),
        (
            ["--scenes", "8", "--gradient-accumulation-steps", "0"],
            "--gradient-accumulation-steps must be at least 1",
        ),
        (["--scenes", "8", "--val-share", "0", "--patience", "3"], "need validation data"),
        (["--scenes", "8", "--resume", "gone"], "give no others"),
        (["--coco-json", "none.json", "--images", "."], "none.json"),
        (["--masks", ".", "--images", ".", "--values", "pet"], "give each value once"),
    ],
)
def test_wrong_options_are_one_line(tmp_path, capsys, options, words):
    assert main(["train-unet", *options, "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1


def test_the_weights_to_start_from_are_not_overwritten(tmp_path, capsys):
    path = tmp_path / "best.safetensors"
    path.write_bytes(b"anything")
    options = ["--scenes", "8", "--weights", str(path), "--out", str(tmp_path)]
    assert main(["train-unet", *options]) == 2
    assert "would be overwritten" in capsys.readouterr().err
    assert path.read_bytes() == b"anything"


def test_the_validation_data_must_have_the_classes_of_the_training_data(tmp_path, capsys):
    path = write_scenes(tmp_path / "val", 1, SceneConfig(size_hw=(64, 64), classes=("cup",)))
    options = ["--scenes", "2", "--scene-size", "64", "--val-coco-json", str(path)]
    options += ["--val-images", str(path.parent / "images")]
    assert main(["train-unet", *options, "--out", str(tmp_path / "out")]) == 2
    assert "other classes" in capsys.readouterr().err


def test_the_config_file_has_every_option_with_its_default():
    path = Path(__file__).resolve().parents[2] / "configs" / "train_unet.yaml"
    held = yaml.safe_load(path.read_text())
    for name, default in TrainUnetOptions().given().items():
        key = name.replace("_", "-")
        if default is not None:
            assert held[key] == (str(default) if isinstance(default, Path) else default), key
        elif key != "resume":
            assert f"# {key}:\n" in path.read_text(), key
