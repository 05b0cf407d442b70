"""The training loop."""

import dataclasses
import itertools

import pytest
import torch

from instseg.core.errors import InputError
from instseg.core.masks import Masks
from instseg.models.mask_rcnn import fresh_model
from instseg.scenes.scene import SCENE_CLASSES
from instseg.training.detection import Detection
from instseg.training.estimate import estimate
from instseg.training.loop import MAX_BAD_STEPS, Trainer
from instseg.training.mask_targets import MaskTargets
from instseg.training.recipe import Recipe, usual_epochs, usual_learning_rate
from instseg.training.samples import SceneSamples

NAMES = ("BG", *SCENE_CLASSES)
RECIPE = Recipe(batch_size=2, warmup_steps=2, save_every=2, workers=0)


def make_trainer(count=12, recipe=RECIPE, stages=((0, "all"),), samples=None, **options):
    torch.manual_seed(recipe.seed)
    network = fresh_model("compact", NAMES, tuple(range(len(NAMES)))).network
    samples = samples or SceneSamples(count, (64,), recipe.batch_size, NAMES, seed=1)
    task = Detection(network, **options)
    return Trainer(task, samples, recipe, torch.device("cpu"), stages=stages)


def first_batch(trainer):
    images, targets = zip(*(trainer.samples[i] for i in range(2)), strict=True)
    return list(images), list(targets)


class TwoEpochs(SceneSamples):
    """The same scenes twice."""

    epochs = 2


def weights(trainer):
    return torch.cat([p.flatten() for p in trainer.average.parameters()])


def test_the_loss_falls_on_one_batch():
    trainer = make_trainer(recipe=Recipe(batch_size=2, warmup_steps=1, workers=0), count=200)
    losses = [trainer.train_step([first_batch(trainer)])["loss"] for _ in range(25)]
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
    resumed.load(tmp_path / "part.pt")
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
    network = trainer.network
    network.transform.min_size = (64,)
    images, targets = first_batch(trainer)
    torch.manual_seed(5)
    for _ in images:
        torch.empty(1).uniform_()  # torchvision draws a size for each image first
    ours = trainer.task.losses(images, targets)
    torch.manual_seed(5)
    dense = [{**target, "masks": target["masks"].dense()} for target in targets]
    theirs = network([image.float() / 255 for image in images], dense)
    assert ours.keys() == theirs.keys()
    for name, loss in ours.items():
        assert float(loss.detach()) == pytest.approx(float(theirs[name].detach()), rel=1e-5), name


@pytest.mark.parametrize("resize", [False, True])
def test_images_without_objects_are_trained_on(resize):
    trainer = make_trainer(resize=resize)
    empty = {
        "boxes": torch.zeros(0, 4),
        "labels": torch.zeros(0, dtype=torch.int64),
        "masks": MaskTargets.from_masks(Masks.empty((64, 64))),
    }
    image, target = trainer.samples[0]
    for targets in ([empty, target], [empty, empty]):
        figures = trainer.train_step([([image, image], targets)])
        assert figures["loss"] > 0


def test_steps_that_are_not_finite_change_nothing_and_end_the_run(tmp_path, caplog):
    trainer = make_trainer(count=100)
    with torch.no_grad():
        trainer.network.backbone.smooth[0].weight.fill_(torch.nan)  # a step was far too long
    before = {name: values.clone() for name, values in trainer.average.state_dict().items()}
    norms = {name: values.clone() for name, values in trainer.network.named_buffers()}
    with pytest.raises(InputError, match=r"scene 8, scene 9.*learning rate"):
        list(trainer.run(tmp_path / "run.pt"))
    assert trainer.step == MAX_BAD_STEPS
    assert "scene 0, scene 1" in caplog.text
    after = trainer.average.state_dict()
    assert all(torch.equal(values, after[name]) for name, values in before.items())
    now = dict(trainer.network.named_buffers())
    followed = [name for name in norms if "running" in name]
    assert all(torch.equal(norms[name], now[name]) for name in followed)


def test_stages_train_what_they_name_and_a_resumed_run_is_the_same(tmp_path):
    options = {
        "samples": TwoEpochs(4, (64,), 2, NAMES, seed=1),
        "stages": ((0, "heads"), (1, "all")),
        "recipe": Recipe(batch_size=2, warmup_steps=2, save_every=1, workers=0),
    }
    whole = make_trainer(**options)
    trunk = whole.network.backbone.stem[0][0].weight
    before = trunk.detach().clone()
    steps = whole.run(tmp_path / "whole.pt")
    list(itertools.islice(steps, 2))
    assert torch.equal(trunk, before)
    list(steps)
    assert not torch.equal(trunk, before)
    for kept in (2, 3):  # saved at the end of the first stage, and within the second
        list(itertools.islice(make_trainer(**options).run(tmp_path / "part.pt"), kept + 1))
        resumed = make_trainer(**options)
        resumed.load(tmp_path / "part.pt")
        assert resumed.step == kept
        list(resumed.run(tmp_path / "part.pt"))
        assert torch.equal(weights(whole), weights(resumed))


def test_a_stage_that_is_not_reached_does_not_begin():
    recipe = dataclasses.replace(RECIPE, max_steps=1)
    stages = ((0, "heads"), (1, "all"))
    trainer = make_trainer(
        samples=TwoEpochs(4, (64,), 2, NAMES, seed=1), stages=stages, recipe=recipe
    )
    assert trainer.scope == "heads"


class Photos(SceneSamples):
    """Two epochs of which the second has other scenes, in batches that do not come out even."""

    epochs = 2

    def batches(self, epoch):
        return [[epoch, 2], [3, 4], [5, epoch]]


def test_everything_that_a_run_knows_is_saved(tmp_path):
    """Stages that shrink, accumulated batches, a lowered rate and notes."""
    options = {
        "samples": Photos(6, (64,), 2, NAMES, seed=1),
        "stages": ((0, "all"), (1, "heads")),
        "recipe": dataclasses.replace(RECIPE, accumulate=2, save_every=1, schedule="plateau"),
    }

    def run(trainer, steps=None):
        for _ in itertools.islice(trainer.run(tmp_path / "run.pt"), steps):
            if trainer.step == 2:
                trainer.notes.update(rate_factor=0.1, best=0.5)
        return trainer

    whole = run(make_trainer(**options))
    run(make_trainer(**options), 4)  # the fourth is not saved
    resumed = make_trainer(**options)
    resumed.load(tmp_path / "run.pt")
    assert (resumed.step, resumed.notes) == (3, {"rate_factor": 0.1, "best": 0.5})
    run(resumed)
    assert torch.equal(weights(whole), weights(resumed))
    torch.save([1], tmp_path / "other.pt")
    with pytest.raises(InputError, match="is no checkpoint of a run; start without --resume"):
        make_trainer(**options).load(tmp_path / "other.pt")
    other = make_trainer(**options | {"recipe": dataclasses.replace(RECIPE, max_steps=2)})
    with pytest.raises(InputError, match="go on with the same data"):
        other.load(tmp_path / "run.pt")


class Broken(SceneSamples):
    """One sample cannot be read."""

    def __getitem__(self, key):
        if key == 5:
            raise InputError("photo 5 is cut off")
        return super().__getitem__(key)


def test_what_is_wrong_with_a_sample_comes_out_of_another_process_in_one_line(tmp_path):
    recipe = dataclasses.replace(RECIPE, workers=1)
    trainer = make_trainer(samples=Broken(12, (64,), 2, NAMES, seed=1), recipe=recipe)
    with pytest.raises(InputError) as caught:
        list(trainer.run(tmp_path / "run.pt"))
    assert str(caught.value) == "photo 5 is cut off"


def test_the_gradients_of_a_step_are_the_mean_of_its_batches():
    trainer = make_trainer(frozen_norms=True)

    def gradients(*batches):
        trainer.forward_backward(batches)
        trained = (p for p in trainer.network.parameters() if p.requires_grad)
        return torch.cat([p.grad.flatten() for p in trained])

    batch = first_batch(trainer)
    torch.manual_seed(0)  # proposals are sampled
    together = gradients(batch, batch)
    torch.manual_seed(0)
    apart = [gradients(batch), gradients(batch)]
    assert torch.allclose(together, sum(apart) / 2, rtol=1e-4, atol=1e-6)


def test_steps_of_several_batches_and_a_last_step_cut_the_plan():
    samples = TwoEpochs(10, (64,), 2, NAMES, seed=1)  # five batches an epoch
    recipe = Recipe(batch_size=2, accumulate=2, workers=0)
    trainer = make_trainer(samples=samples, recipe=recipe)
    assert [len(step) for step in trainer.plan] == [2, 2, 1, 2, 2, 1]
    ends = []
    for trainer.step in range(1, 7):
        ends.append(trainer.epoch_that_ends())
    assert ends == [None, None, 1, None, None, 2]
    trainer = make_trainer(samples=samples, recipe=dataclasses.replace(recipe, max_steps=4))
    assert (trainer.steps, trainer.epochs) == (4, 2)


def test_frozen_norms_stay_as_they_are():
    trainer = make_trainer(frozen_norms=True)
    norms = [m for m in trainer.network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    before = [(norm.running_mean.clone(), norm.weight.detach().clone()) for norm in norms]
    trainer.train_step([first_batch(trainer)])
    for norm, (mean, weight) in zip(norms, before, strict=True):
        assert torch.equal(norm.running_mean, mean)
        assert torch.equal(norm.weight, weight)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_either_optimizer_lowers_the_loss(optimizer):
    recipe = Recipe(
        batch_size=2, warmup_steps=5, workers=0, optimizer=optimizer, learning_rate=3e-3
    )
    trainer = make_trainer(recipe=recipe, count=200)
    losses = [trainer.train_step([first_batch(trainer)])["loss"] for _ in range(25)]
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


def test_plateau_keeps_the_rate_until_it_is_lowered():
    recipe = Recipe(learning_rate=1.0, warmup_steps=1, schedule="plateau", workers=0, batch_size=2)
    trainer = make_trainer(recipe=recipe)
    assert trainer.train_step([first_batch(trainer)])["lr"] == 1.0
    trainer.notes["rate_factor"] = 0.1
    assert trainer.train_step([first_batch(trainer)])["lr"] == pytest.approx(0.1)


def test_what_is_chosen_for_a_dataset():
    assert [usual_epochs(n) for n in (10, 400, 100_000)] == [100, 20, 12]
    assert usual_learning_rate("sgd", 32) == 2 * usual_learning_rate("sgd", 16) == 0.04
    assert usual_learning_rate("adamw", 16) == 2 * usual_learning_rate("adamw", 4)


def test_an_estimate_leaves_no_trace(tmp_path):
    plain, tried = make_trainer(), make_trainer()
    found = estimate(tried)
    assert 0 < found.step_s < 60
    assert 1e8 < found.memory_bytes < 1e11
    for trainer in (plain, tried):
        list(itertools.islice(trainer.run(tmp_path / "run.pt"), 2))
    assert torch.equal(weights(plain), weights(tried))
