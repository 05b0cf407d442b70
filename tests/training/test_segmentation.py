"""Semantic networks as a task of the trainer, and their samples."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from instseg.data.sampling import Order
from instseg.data.semantic_augmentation import parse_semantic_augmentations
from instseg.models.segmenters import PREPROCESSING, fresh_segmenter
from instseg.predict.segmenter import Segmenter
from instseg.training.loop import Trainer
from instseg.training.losses import parse_loss
from instseg.training.recipe import Recipe
from instseg.training.segmentation import (
    Segmentation,
    SemanticSamples,
    mean_iou,
    middle_pixels,
    resized,
)
from instseg.training.validation import validation_losses

NAMES = ("BG", "bright", "dark")


class Squares:
    """Noise in which a square is brighter and another one darker."""

    class_names = NAMES
    category_ids = (0, 1, 2)

    def __init__(self, dtype=np.uint8, size_hw=(24, 40)):
        self.dtype, self.size_hw = dtype, size_hw

    def __len__(self):
        return 8

    def name(self, index):
        return f"{index}.png"

    def load(self, index):
        rng = np.random.default_rng(index)
        labels = np.zeros(self.size_hw, dtype=np.uint8)
        for label in (1, 2):
            top, left = (rng.integers(side - 12) for side in self.size_hw)
            labels[top : top + 12, left : left + 12] = label
        labels[:2] = 255
        pixels = np.array([100, 220, 10, *[0] * 253])[labels] + rng.integers(0, 30, self.size_hw)
        channels = 3 if self.dtype == np.uint8 else 1
        return np.repeat(pixels[..., None], channels, axis=2).astype(self.dtype), labels


def make_samples(data=None, epochs=3, steps=("RandomHorizontalFlip",), min_size=None, crop=16):
    data = data or Squares()
    image, _ = data.load(0)
    return SemanticSamples(
        data=data,
        epochs=epochs,
        order=Order(images=len(data), batch_size=4, seed=0),
        augmentation=parse_semantic_augmentations(
            steps, channels=image.shape[2], dtype=image.dtype
        ),
        min_size=min_size,
        crop=crop,
    )


def make_trainer(loss="ce + dice", samples=None, **recipe):
    torch.manual_seed(0)
    ids = (0, 1, 2)
    model = fresh_segmenter("unet", NAMES, ids, widths=(4, 8), dropout=0.2)
    task = Segmentation(model.network, model.normalise, parse_loss(loss, class_counts=lambda: ids))
    usual = {"warmup_steps": 2, "save_every": 2, "workers": 0}
    recipe = Recipe(**(usual | recipe))
    return Trainer(task, samples or make_samples(), recipe, torch.device("cpu"))


def weights(trainer):
    return torch.cat([p.flatten() for p in trainer.average.parameters()])


def test_losses_are_named_by_their_terms_and_scores_are_those_of_the_batch():
    trainer = make_trainer("ce + 0.5*dice")
    assert trainer.task.scores() == {}
    step = next(trainer.train_steps())
    assert step["loss"] == pytest.approx(step["ce"] + step["0.5*dice"])
    assert 0 <= trainer.task.scores()["mIoU"] <= 1


def test_mean_iou_is_over_classes_with_pixels_and_without_ignored_ones():
    labels = torch.tensor([[[0, 0, 1, 1], [255, 255, 1, 1]]])
    predicted = torch.tensor([[[0, 2, 1, 1], [1, 0, 1, 0]]])
    assert mean_iou(predicted, labels) == pytest.approx((1 / 3 + 3 / 4) / 2)
    assert np.isnan(mean_iou(predicted, torch.full_like(labels, 255)))


def test_losses_of_coarse_logits_are_those_of_the_middle_pixels():
    """Of an image of 24 x 40 pixels, padded to 64 x 64, of which 8 rows have other labels."""
    torch.manual_seed(0)
    model = fresh_segmenter("unet_efficientnet_lite0", NAMES, (0, 1, 2))
    parsed = parse_loss("ce", class_counts=lambda: (1, 1, 1))
    task = Segmentation(model.network, model.normalise, parsed)
    image, labels = torch.rand(3, 24, 40), torch.zeros(24, 40, dtype=torch.uint8)
    labels[16:], labels[2] = 2, 255
    losses = task.losses([image], [labels])
    with torch.no_grad():
        coarse = model.network.coarse(model.normalise(image)[None])[..., 1:6, :10]
    truth = torch.tensor([0, 0, 0, 2, 2])[None, :, None].expand(1, 5, 10)
    assert float(losses["ce"].detach()) == pytest.approx(float(F.cross_entropy(coarse, truth)))
    assert middle_pixels(labels[None], 4, (16, 16)).shape == (1, 16, 16)


@pytest.mark.parametrize(("scope", "frozen"), [("heads", False), ("all", True), ("all", False)])
def test_what_is_frozen_stays(scope, frozen):
    torch.manual_seed(0)
    model = fresh_segmenter("unet_efficientnet_lite0", NAMES, (0, 1, 2))
    before = {name: values.clone() for name, values in model.network.state_dict().items()}
    loss = parse_loss("ce", class_counts=lambda: (1, 1, 1))
    task = Segmentation(model.network, model.normalise, loss, frozen_norms=frozen)
    samples, recipe = make_samples(epochs=1, crop=32), Recipe(workers=0, clip_grad_norm=1e6)
    trainer = Trainer(task, samples, recipe, torch.device("cpu"), stages=((0, scope),))
    next(trainer.train_steps())
    after = model.network.state_dict()
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert {"logits.weight", "context.1.running_mean"} <= changed
    assert ("backbone.body.stages.5.0.project.0.weight" in changed) == (scope == "all")
    assert ("backbone.body.stem.1.running_mean" in changed) == (scope == "all" and not frozen)
    assert ("backbone.body.stem.1.weight" in changed) == (scope == "all" and not frozen)


def test_a_network_learns_squares():
    trainer = make_trainer(samples=make_samples(epochs=25), learning_rate=0.02, ema_decay=0.9)
    losses = [figures["loss"] for figures in trainer.train_steps()]
    assert losses[-1] < losses[0] / 2
    assert trainer.task.scores()["mIoU"] > 0.7


def test_a_run_that_stops_goes_on_where_it_was_bit_for_bit(tmp_path):
    whole = make_trainer()
    whole.run(tmp_path / "whole.pt")

    def stop(figures):
        if figures["step"] == 3:  # saved after step 2
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_trainer().run(tmp_path / "part.pt", after_step=stop)
    resumed = make_trainer()
    resumed.load(tmp_path / "part.pt")
    steps = []
    resumed.run(tmp_path / "part.pt", after_step=lambda figures: steps.append(figures["step"]))
    assert steps == [3, 4, 5, 6]
    assert torch.equal(weights(whole), weights(resumed))


def test_measuring_leaves_the_training_as_it_was():
    runs = [make_trainer(), make_trainer()]
    for trainer, measured in zip(runs, (False, True), strict=True):
        for _ in trainer.train_steps():
            before = trainer.task.scores()
            if measured:
                samples = [trainer.samples[0, row] for row in range(3)]
                first, again = (
                    validation_losses(trainer.task, trainer.average, samples, batch_size=1)
                    for _ in range(2)
                )
                assert first == again
                assert first["loss"] == pytest.approx(first["ce"] + first["dice"])
            assert trainer.task.scores() == before
    assert torch.equal(*map(weights, runs))


def test_samples_depend_on_their_key_alone_and_share_a_size():
    steps = ["RandomHorizontalFlip", {"ColorJitter": {"brightness": 0.5}}]
    samples = make_samples(steps=steps, min_size=20, crop=18)
    for key in [(0, 3), (2, 5)]:
        image, labels = samples[key]
        assert (image.shape, labels.shape) == ((3, 18, 18), (18, 18))
        assert all(map(torch.equal, samples[key], (image, labels)))
    assert not torch.equal(samples[0, 3][0], samples[1, 3][0])
    assert samples.name_of((0, 3)) == "3.png"
    assert sorted(itertools.chain(*samples.batches(1))) == [(1, row) for row in range(8)]


def test_image_and_labels_move_alike():
    """The squares have their colours wherever they come to lie, but for blurred borders."""
    steps = [{"RandomAffine": {"degrees": 90, "scale": [0.8, 1.5]}}, "RandomVerticalFlip"]
    samples = make_samples(steps=steps, min_size=60, crop=50)
    images, labels = map(torch.stack, zip(*(samples[0, row] for row in range(8)), strict=True))
    assert (images[:, 0][labels == 1] > 150).float().mean() > 0.9
    assert (images[:, 0][labels == 2] < 90).float().mean() > 0.9


def test_what_a_small_image_lacks_is_ignored():
    image, labels = make_samples(crop=64, steps=[])[0, 0]
    original, truth = Squares().load(0)
    assert np.array_equal(image[:, :24, :40].permute(1, 2, 0).numpy(), original)
    assert np.array_equal(labels[:24, :40].numpy(), truth)
    assert (labels[24:] == 255).all()
    assert (labels[:, 40:] == 255).all()


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_deep_images_keep_their_range(dtype):
    samples = make_samples(Squares(dtype), steps=["RandomHorizontalFlip"], min_size=12, crop=12)
    image, _ = samples[0, 0]
    assert (image.dtype, image.shape) == (torch.float32, (1, 12, 12))
    assert image.max() > 200
    whole = resized(*Squares(dtype).load(0), 12)[0]
    assert (whole.dtype, whole.shape) == (dtype, (12, 20, 1))


def test_images_are_resized_as_inference_does():
    model = fresh_segmenter(
        "unet_small", NAMES, (0, 1, 2), preprocessing={**PREPROCESSING, "min_size": 17}
    )
    image, labels = Squares().load(0)
    small, mapped = resized(image, labels, 17)
    seen, _ = Segmenter(model, device="cpu")._prepare(image)
    ours = model.normalise(torch.from_numpy(small).permute(2, 0, 1))
    assert small.shape[:2] == mapped.shape == tuple(seen.shape[1:])
    assert F.l1_loss(ours, seen) < 0.01  # by rounding to whole numbers
    assert set(np.unique(mapped)) == {0, 1, 2, 255}
