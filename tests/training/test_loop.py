"""The training loop."""

import dataclasses
import itertools
import threading

import pytest
import torch

from instseg.core.errors import InputError
from instseg.core.masks import Masks
from instseg.models.mask_rcnn import fresh_model
from instseg.scenes.scene import SCENE_CLASSES
from instseg.training.best import BestSoFar
from instseg.training.checkpoint import load_checkpoint
from instseg.training.detection import Detection
from instseg.training.estimate import estimate
from instseg.training.loop import MAX_BAD_STEPS, Trainer
from instseg.training.mask_targets import MaskTargets
from instseg.training.recipe import Recipe, usual_epochs, usual_learning_rate
from instseg.training.samples import SceneSamples

NAMES = ("BG", *SCENE_CLASSES)
RECIPE = Recipe(warmup_steps=2, save_every=2, workers=0)
BATCH = 2


class KilledError(Exception):
    """What ends a run in the middle of it."""


def kill_after(step):
    """An `after_step` that ends the run, before this step is saved."""

    def after_step(figures):
        if figures["step"] == step:
            raise KilledError

    return after_step


def run_until_killed(trainer, path, step, **options):
    with pytest.raises(KilledError):
        trainer.run(path, after_step=kill_after(step), **options)


def make_trainer(
    count=12,
    recipe=RECIPE,
    stages=((0, "all"),),
    samples=None,
    trainer=None,
    device="cpu",
    **options,
):
    torch.manual_seed(recipe.seed)
    network = fresh_model("compact", NAMES, tuple(range(len(NAMES)))).network
    samples = samples or SceneSamples(count, (64,), BATCH, NAMES, seed=1)
    task = Detection(network, **options)
    return Trainer(task, samples, recipe, torch.device(device), stages=stages, **(trainer or {}))


def first_batch(trainer):
    images, targets = zip(*(trainer.samples[i] for i in range(2)), strict=True)
    return list(images), list(targets)


class TwoEpochs(SceneSamples):
    """The same scenes twice."""

    epochs = 2


def weights(trainer):
    return torch.cat([p.flatten() for p in trainer.average.parameters()])


def test_the_loss_falls_on_one_batch():
    trainer = make_trainer(recipe=Recipe(warmup_steps=1, workers=0), count=200)
    losses = [trainer.train_step([first_batch(trainer)])["loss"] for _ in range(25)]
    assert losses[-1] < losses[0] / 2


def test_the_same_seed_gives_the_same_weights_bit_for_bit(tmp_path):
    runs = [make_trainer(), make_trainer()]
    for number, trainer in enumerate(runs):
        assert trainer.run(tmp_path / f"{number}.pt")
    assert torch.equal(*map(weights, runs))


def test_a_run_that_stops_goes_on_where_it_was_bit_for_bit(tmp_path):
    whole = make_trainer()
    whole.run(tmp_path / "whole.pt")
    run_until_killed(make_trainer(), tmp_path / "part.pt", 3)  # saved after step 2
    resumed = make_trainer()
    resumed.load(tmp_path / "part.pt")
    steps = []
    resumed.run(tmp_path / "part.pt", after_step=lambda figures: steps.append(figures["step"]))
    assert steps == [3, 4, 5, 6]
    assert torch.equal(weights(whole), weights(resumed))


@pytest.mark.cuda
def test_a_run_on_the_gpu_learns_and_goes_on_where_it_was(tmp_path, gpu):
    trainer = make_trainer(recipe=Recipe(warmup_steps=1, workers=0), count=200, device=gpu)
    losses = [trainer.train_step([first_batch(trainer)])["loss"] for _ in range(25)]
    assert losses[-1] < losses[0] / 2
    whole = make_trainer(device=gpu)
    whole.run(tmp_path / "whole.pt")
    run_until_killed(make_trainer(device=gpu), tmp_path / "part.pt", 3)
    resumed = make_trainer(device=gpu)
    resumed.load(tmp_path / "part.pt")
    resumed.run(tmp_path / "part.pt")
    # sums of a GPU come in any order
    torch.testing.assert_close(weights(whole), weights(resumed), rtol=0, atol=1e-3)


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


def test_steps_that_are_not_finite_change_nothing_and_end_the_run(tmp_path):
    warnings = []
    trainer = make_trainer(count=100, trainer={"on_event": warnings.append})
    with torch.no_grad():
        trainer.network.backbone.smooth[0].weight.fill_(torch.nan)  # a step was far too long
    before = {name: values.clone() for name, values in trainer.average.state_dict().items()}
    norms = {name: values.clone() for name, values in trainer.network.named_buffers()}
    with pytest.raises(InputError, match=r"scene 8, scene 9.*learning rate"):
        trainer.run(tmp_path / "run.pt")
    assert trainer.step == MAX_BAD_STEPS
    assert "scene 0, scene 1" in warnings[0].text
    after = trainer.average.state_dict()
    assert all(torch.equal(values, after[name]) for name, values in before.items())
    now = dict(trainer.network.named_buffers())
    followed = [name for name in norms if "running" in name]
    assert all(torch.equal(norms[name], now[name]) for name in followed)


def test_stages_train_what_they_name_and_a_resumed_run_is_the_same(tmp_path):
    options = {
        "samples": TwoEpochs(4, (64,), 2, NAMES, seed=1),
        "stages": ((0, "heads"), (1, "all")),
        "recipe": Recipe(warmup_steps=2, save_every=1, workers=0),
    }
    whole = make_trainer(**options)
    trunk = whole.network.backbone.stem[0][0].weight
    before = trunk.detach().clone()
    steps = whole.train_steps()
    list(itertools.islice(steps, 2))
    assert torch.equal(trunk, before)
    list(steps)
    assert not torch.equal(trunk, before)
    for kept in (2, 3):  # saved at the end of the first stage, and within the second
        run_until_killed(make_trainer(**options), tmp_path / "part.pt", kept + 1)
        resumed = make_trainer(**options)
        resumed.load(tmp_path / "part.pt")
        assert resumed.step == kept
        resumed.run(tmp_path / "part.pt")
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
    """Stages that shrink, accumulated batches, a lowered rate and the best score."""
    options = {
        "samples": Photos(6, (64,), 2, NAMES, seed=1),
        "stages": ((0, "all"), (1, "heads")),
        "recipe": dataclasses.replace(
            RECIPE, gradient_accumulation_steps=2, save_every=1, schedule="plateau"
        ),
    }

    def started():
        trainer, best = make_trainer(**options), BestSoFar()
        trainer.plateau.patience = 1
        trainer.keep("best", best)

        def after_epoch(epoch):
            best.score, best.epoch = 0.5, epoch
            trainer.plateau.epoch_done(epoch, improved=False)
            return False

        return trainer, best, after_epoch

    whole, _, after_epoch = started()
    whole.run(tmp_path / "run.pt", after_epoch=after_epoch)
    killed, _, after_epoch = started()
    run_until_killed(killed, tmp_path / "run.pt", 4, after_epoch=after_epoch)
    resumed, best, after_epoch = started()
    resumed.load(tmp_path / "run.pt")
    assert (resumed.step, resumed.plateau.factor) == (3, 0.1)
    assert (best.score, best.epoch) == (0.5, 1)
    resumed.run(tmp_path / "run.pt", after_epoch=after_epoch)
    assert torch.equal(weights(whole), weights(resumed))
    torch.save([1], tmp_path / "other.pt")
    with pytest.raises(InputError, match="is not a checkpoint of this run; start without resume"):
        make_trainer(**options).load(tmp_path / "other.pt")
    other = make_trainer(**options | {"recipe": dataclasses.replace(RECIPE, max_steps=2)})
    with pytest.raises(InputError, match="resume with the same data"):
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
        trainer.run(tmp_path / "run.pt")
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
    recipe = Recipe(gradient_accumulation_steps=2, workers=0)
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
    recipe = Recipe(warmup_steps=5, workers=0, optimizer=optimizer, learning_rate=3e-3)
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
    recipe = Recipe(learning_rate=1.0, warmup_steps=1, schedule="plateau", workers=0)
    trainer = make_trainer(recipe=recipe)
    assert trainer.train_step([first_batch(trainer)])["lr"] == 1.0
    trainer.plateau.factor = 0.1
    assert trainer.train_step([first_batch(trainer)])["lr"] == pytest.approx(0.1)


def test_what_is_chosen_for_a_dataset():
    assert [usual_epochs(n) for n in (10, 400, 100_000)] == [100, 20, 12]
    assert usual_learning_rate("sgd", 32) == 2 * usual_learning_rate("sgd", 16) == 0.04
    assert usual_learning_rate("adamw", 16) == 2 * usual_learning_rate("adamw", 4)


def test_an_estimate_leaves_no_trace(tmp_path):
    plain, tried = make_trainer(), make_trainer()
    found = estimate(tried)
    assert found.step_s > 0
    assert 1e8 < found.memory_bytes < 1e11
    for trainer in (plain, tried):
        list(itertools.islice(trainer.train_steps(), 2))
    assert torch.equal(weights(plain), weights(tried))


def test_a_step_is_saved_before_anything_else_is_asked_for(tmp_path):
    """Whoever is told of an epoch finds it neither saved nor lost; of the next step, saved."""
    saved = []

    def after_step(figures):
        path = tmp_path / "run.pt"
        saved.append(load_checkpoint(path)["step"] if path.exists() else 0)

    trainer = make_trainer(count=8)
    trainer.run(tmp_path / "run.pt", after_step=after_step)
    assert saved == [0, 0, 2, 2]
    assert load_checkpoint(tmp_path / "run.pt")["step"] == 4


def test_cancelling_ends_a_run_after_its_step_which_is_saved(tmp_path):
    cancel = threading.Event()
    trainer = make_trainer(trainer={"cancel": cancel})

    def after_step(figures):
        if figures["step"] == 2:
            cancel.set()

    assert not trainer.run(tmp_path / "run.pt", after_step=after_step)
    assert trainer.step == load_checkpoint(tmp_path / "run.pt")["step"] == 2


def test_the_run_ends_when_an_epoch_says_so(tmp_path):
    trainer = make_trainer(samples=TwoEpochs(4, (64,), 2, NAMES, seed=1))
    assert trainer.run(tmp_path / "run.pt", after_epoch=lambda epoch: True)
    assert trainer.step == 2


def test_a_step_takes_the_time_of_its_images_and_its_training_alone(tmp_path):
    class Slow(SceneSamples):
        def __getitem__(self, key):
            now[0] += 1.5  # seconds for each of two images
            return super().__getitem__(key)

    now, told = [0.0], []
    trainer = make_trainer(
        samples=Slow(8, (64,), 2, NAMES, seed=1), trainer={"clock": lambda: now[0]}
    )

    def after_step(figures):
        told.append(trainer.step_s)
        now[0] += 100  # of measuring, saving and drawing

    trainer.run(tmp_path / "run.pt", after_step=after_step)
    assert told == [3.0] * 4
