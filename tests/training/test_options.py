"""The options of training: ranges, what goes together, names."""

from dataclasses import fields

import pytest

from instseg.core.errors import ArgumentError
from instseg.data.coco import CocoData
from instseg.scenes.scene import SceneConfig, write_scenes
from instseg.training.finetune_options import FinetuneOptions
from instseg.training.unet_options import TrainUnetOptions

SCENES = {"scenes": 8, "weights": "none", "architecture": "compact"}
RENAMED = {
    "accumulate": "gradient_accumulation_steps",
    "clip_norm": "clip_grad_norm",
    "average_decay": "ema_decay",
    "skip_bad": "auto_repair",
    "store": "weights_dtype",
}
RENAMED_FINETUNE = {"rare": "repeat_threshold", "map": "init_classes", "train": "layers"}


@pytest.mark.parametrize(
    ("kind", "renamed"),
    [(FinetuneOptions, RENAMED | RENAMED_FINETUNE), (TrainUnetOptions, RENAMED)],
)
def test_renamed_options_keep_their_old_names(kind, renamed):
    aliases = {
        old: field.name for field in fields(kind) for old in field.metadata.get("aliases", ())
    }
    assert aliases == renamed


@pytest.mark.parametrize("kind", [FinetuneOptions, TrainUnetOptions])
def test_every_option_is_documented_once(kind):
    entries = [
        line.strip().split(":")[0]
        for line in kind.__doc__.split("Args:")[1].splitlines()
        if line.startswith(" " * 8) and not line.startswith(" " * 9)
    ]
    assert sorted(entries) == sorted(field.name for field in fields(kind))


@pytest.mark.parametrize(
    ("given", "in_python", "on_the_command_line"),
    [
        (
            {"ema_decay": 5},
            "ema_decay=5 must lie between 0 and 1",
            "--ema-decay must lie between 0 and 1, not 5",
        ),
        (
            {"clip_grad_norm": 0},
            "clip_grad_norm=0 must be above 0",
            "--clip-grad-norm must be above 0 and finite, not 0",
        ),
        (
            {"repeat_threshold": -1},
            "repeat_threshold=-1 must lie between 0 and 1",
            "--repeat-threshold must lie between 0 and 1, not -1",
        ),
        (
            {"layers": "legs"},
            "layers='legs': choose one of heads",
            "--layers: choose one of heads",
        ),
        (
            {"val_images": "photos"},
            "val_images needs val_coco_json",
            "--val-images needs --val-coco-json",
        ),
    ],
)
def test_errors_name_arguments_in_python_and_options_on_the_command_line(
    given, in_python, on_the_command_line
):
    with pytest.raises(ArgumentError) as caught:
        FinetuneOptions(**SCENES, **given).check()
    assert str(caught.value).startswith(in_python)
    assert caught.value.as_options().startswith(on_the_command_line)


def test_a_dataset_in_memory_has_its_own_photos(tmp_path):
    path = write_scenes(tmp_path, 1, SceneConfig(size_hw=(64, 64)))
    data = CocoData.read(path, tmp_path / "images")
    FinetuneOptions(data, weights="none", architecture="compact").check()
    with pytest.raises(ArgumentError, match="has its own"):
        FinetuneOptions(data, "photos").check()


@pytest.mark.parametrize("start", [{"weights": "a.safetensors"}, {"encoder_weights": "imagenet"}])
def test_a_pretrained_start_has_the_learning_rate_of_fine_tuning(start):
    rate, fresh = (TrainUnetOptions(**each).recipe(8).learning_rate for each in (start, {}))
    assert (rate, fresh) == (pytest.approx(2e-4 * 2**0.5), 3e-3)


def test_adam_is_adamw_without_weight_decay():
    recipe = TrainUnetOptions(optimizer="adam", weight_decay=0.5).recipe(8)
    assert (recipe.optimizer, recipe.weight_decay) == ("adamw", 0.0)


def test_the_learning_rate_counts_the_images_of_a_step():
    rates = [
        FinetuneOptions(batch_size=size, gradient_accumulation_steps=steps).recipe(100)
        for size, steps in ((4, 1), (4, 4), (16, 1), (400, 1))
    ]
    assert [each.learning_rate for each in rates] == pytest.approx([2e-4, 4e-4, 4e-4, 1e-3])
