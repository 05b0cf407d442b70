"""BoxInst's losses: what a box and the colours of a photo tell of a mask."""

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab

from instseg.training.box_supervision import (
    SIMILAR,
    around_objects,
    box_losses,
    cells_inside,
    pairwise_losses,
    pairwise_weight,
    projection_losses,
    region_colors,
    to_lab,
)

SIDE = 28
BOX = torch.tensor([[20.0, 10, 76, 66]])  # around the disc


def disc():
    """A reddish disc on a grey-green photo with some noise: the photo, and the mask of 28 x 28."""
    yy, xx = np.mgrid[:80, :96] + 0.5
    inside = np.hypot(yy - 38, xx - 48) < 28
    photo = np.where(inside[..., None], (180, 60, 50), (90, 130, 100)).astype(np.float32)
    photo += np.random.default_rng(0).normal(0, 1, photo.shape)
    centers = (np.arange(SIDE) + 0.5) * 2
    mask = inside[(10 + centers[:, None]).astype(int), (20 + centers).astype(int)]
    photo = torch.from_numpy(photo.clip(0, 255) / 255).float().permute(2, 0, 1)
    return photo, torch.from_numpy(mask)


def logits_of(mask):
    return torch.where(mask, 6.0, -6.0)[None]


def test_colors_are_those_of_scikit_image():
    rgb = np.random.default_rng(1).random((16, 16, 3)).astype(np.float32)
    rgb[:2] = [[0, 0, 0]], [[1, 1, 1]]
    found = to_lab(torch.from_numpy(rgb).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
    assert np.abs(found - rgb2lab(rgb)).max() < 0.01
    photo = torch.from_numpy(rgb).permute(2, 0, 1)
    with torch.autocast("cpu", torch.bfloat16):
        assert np.abs(to_lab(photo[None])[0].permute(1, 2, 0).numpy() - rgb2lab(rgb)).max() < 0.01
    assert torch.allclose(
        region_colors(photo, torch.tensor([[4.0, 4, 12, 12]]), 8)[0],
        to_lab(photo[None])[0, :, 4:12, 4:12],
        atol=1e-3,
    )


def test_the_right_mask_is_better_than_the_box_or_a_part():
    photo, mask = disc()
    yy, xx = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    whole, parts = torch.ones_like(mask), [mask & (yy > 9), mask & (xx > 9)]
    right = box_losses(logits_of(mask), BOX, BOX, photo)
    for other in (whole, ~whole, ~mask, *parts):
        assert box_losses(logits_of(other), BOX, BOX, photo) > right + 0.05


def test_projections_alone_accept_the_whole_box():
    _, mask = disc()
    rows, columns = cells_inside(BOX, BOX, SIDE)
    assert rows.all() and columns.all()
    for each in (mask, torch.ones_like(mask)):
        assert projection_losses(logits_of(each), rows, columns) < 0.01
    assert projection_losses(logits_of(torch.zeros_like(mask)), rows, columns) > 1.9


def test_a_region_around_the_box_knows_what_lies_outside():
    region = torch.tensor([[0.0, 0, 40, 20]])
    rows, columns = cells_inside(region, torch.tensor([[10.0, 5, 20, 20]]), 4)
    assert rows[0].tolist() == [False, True, True, True]
    assert columns[0].tolist() == [False, True, False, False]
    everywhere = torch.full((1, 4, 4), 6.0)
    inside = logits_of(rows[0][:, None] & columns[0])
    losses = [projection_losses(each, rows, columns) for each in (everywhere, inside)]
    assert losses[1] < 0.01 < 0.5 < losses[0]


def test_a_disc_is_recovered_from_its_box_and_colours():
    photo, mask = disc()
    logits = torch.zeros(1, SIDE, SIDE, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.1)
    for step in range(150):
        optimizer.zero_grad()
        box_losses(logits, BOX, BOX, photo, pairwise_weight(step, 450)).sum().backward()
        optimizer.step()
    found = logits[0] > 0
    assert (found & mask).sum() / (found | mask).sum() > 0.9


def test_what_is_outside_the_photo_is_similar_to_nothing():
    photo, _ = disc()
    colors = region_colors(photo, torch.tensor([[0.0, 0, 96, 40]]), 8, 2)
    known = ~colors.isnan().any(1)[0]
    assert known.any(1).tolist() == [False] * 2 + [True] * 10  # the photo goes on below
    assert known.any(0).tolist() == [False] * 2 + [True] * 8 + [False] * 2


def test_only_similar_neighbours_with_one_inside_are_pairs():
    colors = torch.zeros(1, 3, 4, 4)
    logits = torch.randn(1, 4, 4, requires_grad=True)
    inside = torch.zeros(1, 4, 4, dtype=torch.bool)
    assert pairwise_losses(logits, colors, inside) == 0
    inside[0, 0, 0] = True
    pairwise_losses(logits, colors, inside).sum().backward()
    touched = logits.grad[0].nonzero().tolist()
    assert touched == [[0, 0], [0, 2], [2, 0], [2, 2]]
    just, more = (-2 * np.log(SIMILAR) + each for each in (-0.01, 0.01))
    colors[0, 0, 0, 0] = just
    assert pairwise_losses(logits, colors, inside) > 0
    colors[0, 0, 0, 0] = more
    assert pairwise_losses(logits, colors, inside) == 0


def test_gradients_are_right():
    photo, _ = disc()
    logits = torch.randn(1, 6, 6, dtype=torch.float64, requires_grad=True)
    region = around_objects(torch.tensor([[30.0, 0, 90, 60]]), BOX)
    assert region.tolist() == [[20, 0, 90, 66]]
    assert torch.autograd.gradcheck(
        lambda given: box_losses(given, region, BOX, photo.double(), 0.5), logits
    )


@pytest.mark.parametrize(("step", "weight"), [(0, 0.0), (50, 0.5), (100, 1.0), (900, 1.0)])
def test_the_pairwise_loss_warms_up(step, weight):
    assert pairwise_weight(step, 900) == pytest.approx(weight)
