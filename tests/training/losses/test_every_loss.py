"""What holds of every loss, whatever it measures."""

import importlib.util

import pytest
import torch
from torch import nn

from instseg.training.losses import LOSS_NAMES, parse_loss

COUNTS = [60, 30, 10, 5]
TEXTS = [
    *LOSS_NAMES,
    "ce(weights=inverse)",
    "ce(weights=effective)",
    "focal(gamma=0.5)",
    "tversky(alpha=0.7, beta=0.3)",
    "ce + 0.5*dice",
    "sensitivity-specificity(sensitivity=0.05)",
]


def params(texts):
    missing = importlib.util.find_spec("monai") is None
    marks = {"hausdorff": pytest.mark.skipif(missing, reason="needs the extra `semantic`")}
    return [pytest.param(text, marks=marks.get(text, ())) for text in texts]


every = pytest.mark.parametrize("text", params(TEXTS))
every_but_hausdorff = pytest.mark.parametrize(
    "text", params([text for text in TEXTS if text != "hausdorff"])
)


def loss_of(text):
    return parse_loss(text, class_counts=lambda: COUNTS)


def example(size=(6, 5), dtype=torch.float32):
    """Two maps of four classes, the last of them absent, with ignored pixels."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, *size, generator=generator, dtype=dtype)
    labels = torch.randint(0, 3, (2, *size), generator=generator)
    labels[0, -2:] = 255
    labels[1, 0, 0] = 255
    return logits.requires_grad_(), labels


def gradient(loss, logits, labels):
    return torch.autograd.grad(loss(logits, labels), logits)[0]


@every
def test_gradient(text):
    logits, labels = example((3, 3), torch.float64)
    few_evaluations = text == "hausdorff"
    assert torch.autograd.gradcheck(
        lambda x: loss_of(text)(x, labels), logits, fast_mode=few_evaluations
    )


@every
@pytest.mark.parametrize("value", [0.0, 50.0, float("inf"), float("nan")])
def test_ignored_pixels_change_nothing(text, value):
    loss = loss_of(text)
    logits, labels = example()
    ignored = (labels == 255)[:, None].expand_as(logits)
    others = logits.detach().masked_fill(ignored, value).requires_grad_()
    assert loss(others, labels) == loss(logits, labels)
    assert torch.equal(gradient(loss, others, labels), gradient(loss, logits, labels))
    assert (gradient(loss, logits, labels)[ignored] == 0).all()
    assert (gradient(loss, logits, labels)[~ignored] != 0).any()


@every_but_hausdorff  # there an ignored region ends the regions beside it
def test_an_ignored_border_is_no_image(text):
    logits, labels = example()
    bordered = nn.functional.pad(labels, (2, 0, 0, 3), value=255)
    padded = nn.functional.pad(logits, (2, 0, 0, 3), value=1.0)
    torch.testing.assert_close(loss_of(text)(padded, bordered), loss_of(text)(logits, labels))


@every
def test_a_batch_of_ignored_pixels_has_a_gradient_of_zero(text):
    logits, labels = example()
    labels = torch.full_like(labels, 255)
    assert loss_of(text)(logits, labels) == 0
    assert torch.equal(gradient(loss_of(text), logits, labels), torch.zeros_like(logits))


@every
@pytest.mark.parametrize("certainty", [20.0, 1e4])
@pytest.mark.parametrize("present", [3, 1])
def test_absent_classes_and_sure_predictions_are_harmless(text, certainty, present):
    loss = loss_of(text)
    labels = example()[1].clamp(max=present - 1)
    one_hot = nn.functional.one_hot(labels, 4).movedim(3, 1)
    right = (certainty * (2.0 * one_hot - 1)).requires_grad_()
    assert abs(loss(right, labels)) < 1e-3
    assert gradient(loss, right, labels).isfinite().all()
    wrong = right.detach().roll(1, 1).requires_grad_()
    assert 0 <= loss(wrong, labels) < float("inf")
    assert gradient(loss, wrong, labels).isfinite().all()


@every
def test_low_precision_is_only_that_of_the_logits(text):
    loss = loss_of(text)
    logits, labels = example()
    logits = logits.detach().bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = loss(logits, labels)
    assert low.dtype == torch.float32
    assert low == loss(logits.float(), labels)
    assert gradient(loss, logits, labels).dtype == torch.bfloat16


@every
def test_a_network_learns_by_it(text):
    torch.manual_seed(0)
    labels = torch.zeros(1, 12, 12, dtype=torch.int64)
    labels[0, 1:6, 2:9] = 1
    labels[0, 7:11, 4:11] = 2
    images = labels[:, None] + 0.2 * torch.randn(1, 1, 12, 12)
    labels[:, :, :2] = 255
    network = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 4, 1))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
    loss, losses, right = loss_of(text), [], []
    for _ in range(20):
        optimizer.zero_grad()
        logits = network(images)
        losses.append(loss(logits, labels))
        right.append((logits.argmax(1) == labels)[labels < 255].float().mean())
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.8 * losses[0]
    assert right[-1] > right[0] + 0.3
