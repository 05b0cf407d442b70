"""PointSup's loss: labelled points tell of a mask what is under them."""

import torch

from instseg.training.point_supervision import point_losses, scale_points

BOX = torch.tensor([[10.0, 20, 18, 28]])


def test_logits_are_read_between_the_cells():
    logits = torch.arange(16.0).view(1, 4, 4).requires_grad_()  # a cell is 2 x 2 pixels
    points = torch.tensor([[[13.0, 23, 1], [12, 21, 0], [10, 20, 1]]])
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.tensor([5.0, 0.5, 0.0]), torch.tensor([1.0, 0, 1])
    )
    loss = point_losses(logits, BOX, points)
    assert torch.allclose(loss, wanted[None])
    assert torch.autograd.gradcheck(
        lambda given: point_losses(given, BOX.double(), points.double()), logits.double()
    )


def test_points_outside_and_missing_ones_teach_nothing():
    logits = torch.randn(1, 4, 4, requires_grad=True)
    one = torch.tensor([[[13.0, 23, 1]]])
    outside, none = torch.tensor([[[9.0, 23, 1]]]), torch.tensor([[[13.0, 23, -1]]])
    both = point_losses(logits, BOX, torch.cat([one, none], dim=1))
    assert torch.equal(both, point_losses(logits, BOX, one))
    assert torch.allclose(point_losses(logits, BOX, torch.cat([one, outside], dim=1)), both / 2)
    loss = point_losses(logits, BOX, torch.cat([outside, none], dim=1))
    assert loss == 0
    loss.sum().backward()
    assert (logits.grad == 0).all()


def test_points_recover_the_half_that_they_mark():
    generator = torch.Generator().manual_seed(0)
    places = torch.rand(1, 60, 2, generator=generator) * 8 + BOX[:, None, :2]
    points = torch.cat([places, (places[..., :1] > 14).float()], dim=2)
    logits = torch.zeros(1, 4, 4, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.5)
    for _ in range(50):
        optimizer.zero_grad()
        point_losses(logits, BOX, points).sum().backward()
        optimizer.step()
    assert (logits[0] > 0).tolist() == [[False, False, True, True]] * 4


def test_points_grow_with_their_photo():
    target = {"points": torch.tensor([[[4.0, 6, 1], [1, 1, -1]]])}
    scaled, bare = scale_points([target, {}], [(10, 20), (1, 1)], [(30, 40), (1, 1)])
    assert scaled["points"].tolist() == [[[8, 18, 1], [2, 3, -1]]]
    assert bare == {}
