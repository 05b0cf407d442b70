"""The training loop."""

import itertools

import pytest
import torch
from torchvision.models.detection.image_list import ImageList

from instseg.data.scenes import SCENE_CLASSES
from instseg.errors import InputError
from instseg.models.mask_rcnn import fresh_model
from instseg.training.loop import MAX_BAD_STEPS, Recipe, Trainer, training_losses
from instseg.training.samples import SceneSamples

NAMES = ("BG", *SCENE_CLASSES)
RECIPE = Recipe(batch_size=2, warmup_steps=2, save_every=2, workers=0)


def make_trainer(count=12, recipe=RECIPE, **options):
    torch.manual_seed(recipe.seed)
    network = fresh_model("compact", NAMES, tuple(range(len(NAMES)))).network
    samples = SceneSamples(count, (64,), recipe.batch_size, NAMES, seed=1)
    return Trainer(network, samples, recipe, torch.device("cpu"), **options)


def weights(trainer):
    return torch.cat([p.flatten() for p in trainer.average.parameters()])


def test_the_loss_falls_on_one_batch():
    trainer = make_trainer(recipe=Recipe(batch_size=2, warmup_steps=1, workers=0), count=200)
    images, targets = zip(*(trainer.dataset[i] for i in range(2)), strict=True)
    losses = [trainer.train_step(list(images), list(targets))["loss"] for _ in range(25)]
    assert losses[-1] < losses[0] / 2


def test_the_same_seed_gives_the_same_weights_bit_for_bit(tmp_path):
    runs = [make_trainer(), make_trainer()]
    for number, trainer in enumerate(runs):
        list(trainer.run(tmp_path / f"{number}.pt"))
    assert torch.equal(*map(weights, runs))


def test_a_run_that_stops_goes_on_where_it_was_bit_for_bit(tmp_path):
    whole = make_trainer()
    list(whole.run(tmp_path / "whole.pt"))
    stopped = make_trainer()
    list(itertools.islice(stopped.run(tmp_path / "part.pt"), 3))  # saved after step 2
    resumed = make_trainer()
    steps = [figures["step"] for figures in resumed.run(tmp_path / "part.pt")]
    assert steps == [3, 4, 5, 6]
    assert torch.equal(weights(whole), weights(resumed))


def test_the_learning_rate_rises_stays_and_falls():
    recipe = Recipe(learning_rate=1.0, warmup_steps=10, cooldown=0.5)
    rates = [recipe.learning_rate_at(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:51] == [1.0] * 42
    assert rates[75] == pytest.approx(0.5)
    assert 0 < rates[99] < 0.03


def test_losses_equal_torchvisions_own_forward_pass():
    trainer = make_trainer()
    network = trainer.model
    network.transform.min_size = (64,)
    images, targets = zip(*(trainer.dataset[i] for i in range(2)), strict=True)
    batch, moved = trainer.to_batch(list(images), list(targets))
    torch.manual_seed(5)
    for _ in images:
        torch.empty(1).uniform_()  # torchvision draws a size for each image first
    ours = training_losses(network, batch, moved)
    torch.manual_seed(5)
    theirs = network([image.float() / 255 for image in images], list(targets))
    assert isinstance(batch, ImageList)
    assert ours.keys() == theirs.keys()
    for name, loss in ours.items():
        assert float(loss.detach()) == pytest.approx(float(theirs[name].detach()), rel=1e-5), name


@pytest.mark.parametrize("resize", [False, True])
def test_images_without_objects_are_trained_on(resize):
    trainer = make_trainer(resize=resize)
    empty = {
        "boxes": torch.zeros(0, 4),
        "labels": torch.zeros(0, dtype=torch.int64),
        "masks": torch.zeros(0, 64, 64, dtype=torch.uint8),
    }
    image, target = trainer.dataset[0]
    for targets in ([empty, target], [empty, empty]):
        figures = trainer.train_step([image, image], targets)
        assert figures["loss"] > 0


def test_steps_that_are_not_finite_change_nothing_and_end_the_run():
    trainer = make_trainer(count=100)
    image, target = trainer.dataset[0]
    broken = {**target, "boxes": target["boxes"] * float("nan")}
    before = weights(trainer).clone()
    with pytest.raises(InputError, match="learning rate"):
        for _ in range(MAX_BAD_STEPS):
            trainer.train_step([image, image], [broken, broken])
    assert torch.equal(weights(trainer), before)


def test_stages_train_what_they_name_and_a_resumed_run_is_the_same(tmp_path):
    stages = ((0, "heads"), (2, "all"))
    whole = make_trainer(stages=stages)
    trunk = whole.model.backbone.stem[0][0].weight
    before = trunk.detach().clone()
    steps = whole.run(tmp_path / "whole.pt")
    list(itertools.islice(steps, 2))
    assert torch.equal(trunk, before)
    list(steps)
    assert not torch.equal(trunk, before)
    for kept in (2, 4):  # saved at the end of the first stage, and within the second
        list(itertools.islice(make_trainer(stages=stages).run(tmp_path / "part.pt"), kept + 1))
        resumed = make_trainer(stages=stages)
        list(resumed.run(tmp_path / "part.pt"))
        assert torch.equal(weights(whole), weights(resumed))
        (tmp_path / "part.pt").unlink()


def test_frozen_norms_stay_as_they_are():
    trainer = make_trainer(frozen_norms=True)
    norms = [m for m in trainer.model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    before = [(norm.running_mean.clone(), norm.weight.detach().clone()) for norm in norms]
    images, targets = zip(*(trainer.dataset[i] for i in range(2)), strict=True)
    trainer.train_step(list(images), list(targets))
    for norm, (mean, weight) in zip(norms, before, strict=True):
        assert torch.equal(norm.running_mean, mean)
        assert torch.equal(norm.weight, weight)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_either_optimizer_lowers_the_loss(optimizer):
    recipe = Recipe(
        batch_size=2, warmup_steps=5, workers=0, optimizer=optimizer, learning_rate=3e-3
    )
    trainer = make_trainer(recipe=recipe, count=200)
    images, targets = zip(*(trainer.dataset[i] for i in range(2)), strict=True)
    losses = [trainer.train_step(list(images), list(targets))["loss"] for _ in range(25)]
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("cosine", [1.0, 0.5, 0.0]), ("steps", [1.0, 1.0, 0.01]), ("cooldown", [1.0, 1.0, 0.0])],
)
def test_schedules(schedule, expected):
    recipe = Recipe(learning_rate=1.0, warmup_steps=0, schedule=schedule, cooldown=0.3)
    rates = [recipe.learning_rate_at(step, 1000) for step in (0, 500, 999)]
    assert rates == pytest.approx(expected, abs=0.01)


def test_a_stage_begins_with_a_rise_of_its_own():
    recipe = Recipe(learning_rate=1.0, warmup_steps=10, schedule="steps")
    assert recipe.learning_rate_at(50, 100, stage_start=50) == pytest.approx(0.1)
