"""The U-Nets: their layers, their sizes, any size of image."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from instseg.models.unet import UNet, pad_to_multiple, unet_64, unet_dropout, unet_small


def reference_block(state, name, x, norm):
    """Two convolutions with their norms and ReLUs, written out from the stored weights."""
    for i in (0, 3) if norm else (0, 2):
        x = F.conv2d(x, state[f"{name}.{i}.weight"], state.get(f"{name}.{i}.bias"), padding=1)
        if norm:
            mean, var, weight, bias = (
                state[f"{name}.{i + 1}.{part}"]
                for part in ("running_mean", "running_var", "weight", "bias")
            )
            x = F.batch_norm(x, mean, var, weight, bias)
        x = x.clamp(min=0)
    return x


@torch.inference_mode()
@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize("norm", [True, False])
def test_forward_is_the_paper_written_out(norm, skips):
    torch.manual_seed(0)
    network = UNet(5, 2, (4, 6, 8), norm=norm, skips=skips)
    network(torch.rand(4, 2, 16, 16))  # so that the norms have seen something
    state = network.eval().state_dict()
    x = torch.rand(2, 2, 24, 16)
    full = reference_block(state, "encoder.0", x, norm)
    half = reference_block(state, "encoder.1", F.max_pool2d(full, 2), norm)
    low = reference_block(state, "encoder.2", F.max_pool2d(half, 2), norm)
    y = low
    for i, seen in enumerate((half, full)):
        weight, bias = state[f"upsample.{i}.weight"], state[f"upsample.{i}.bias"]
        y = F.conv_transpose2d(y, weight, bias, stride=2)
        y = torch.cat([seen, y], dim=1) if skips else y
        y = reference_block(state, f"decoder.{i}", y, norm)
    expected = F.conv2d(y, state["head.weight"], state["head.bias"])
    torch.testing.assert_close(network(x), expected)


@pytest.mark.parametrize(
    ("preset", "count"), [(unet_small, 482_483), (unet_dropout, 7_760_163), (unet_64, 31_037_763)]
)
def test_sizes_of_the_presets(preset, count):
    with torch.device("meta"):
        assert sum(p.numel() for p in preset(3).parameters()) == count
        assert sum(p.numel() for p in preset(3, skips=False).parameters()) < count


def test_layers_of_the_presets():
    with torch.device("meta"):
        small, dropout, wide = unet_small(2), unet_dropout(2), unet_64(2)
    kinds = [{type(module) for module in network.modules()} for network in (small, dropout, wide)]
    assert [nn.BatchNorm2d in kind for kind in kinds] == [True, False, True]
    assert [nn.Dropout in kind for kind in kinds] == [False, True, False]
    dropped = {name: m.p for name, m in dropout.named_modules() if isinstance(m, nn.Dropout)}
    assert dropped == {"encoder.3.4": 0.2, "encoder.4.4": 0.2}
    assert [network.encoder[0][0].in_channels for network in (small, wide)] == [1, 3]


@pytest.mark.parametrize("size_hw", [(394, 394), (1, 1), (1, 50), (33, 57), (8, 8), (64, 40)])
def test_images_of_any_size(size_hw):
    images = torch.rand(1, 1, *size_hw)
    for skips in (True, False):
        network = UNet(3, 1, (4, 4, 4, 4), skips=skips)
        for mode in (True, False):
            logits = network.train(mode)(images)
            assert logits.shape == (1, 3, *size_hw)
            assert logits.isfinite().all()


@torch.inference_mode()
def test_sizes_that_fit_are_not_padded_and_others_by_their_last_pixels():
    images = torch.rand(2, 1, 16, 24)
    assert pad_to_multiple(images, 8) is images
    padded = pad_to_multiple(images[..., :13, :22], 8)
    assert padded.shape == images.shape
    assert (padded[..., 13:, :22] == images[..., 12:13, :22]).all()
    assert (padded[..., 22:] == padded[..., 21:22]).all()
    network = unet_small(2).eval()
    expected = network(padded)[..., :13, :22]
    torch.testing.assert_close(network(images[..., :13, :22]), expected)


@pytest.mark.parametrize("preset", [unet_small, unet_dropout])
@pytest.mark.parametrize("skips", [True, False])
def test_gradients_reach_every_weight(preset, skips):
    torch.manual_seed(0)
    network = preset(3, skips=skips).train()
    images = torch.rand(2, network.encoder[0][0].in_channels, 32, 41)
    network(images).square().mean().backward()
    for name, weight in network.named_parameters():
        assert weight.grad.isfinite().all(), name
        assert weight.grad.any(), name


def final_loss(network):
    """After 30 steps on thin bright crosses in noise."""
    torch.manual_seed(0)
    images = 0.3 * torch.rand(4, 1, 32, 32)
    labels = torch.zeros(4, 32, 32, dtype=torch.int64)
    for i in range(4):
        labels[i, 5 + 6 * i, 3:29] = labels[i, 4:28, 25 - 5 * i] = 1
    images[:, 0] += labels
    optimizer = torch.optim.Adam(network.train().parameters(), lr=2e-2)
    for _ in range(30):
        loss = F.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def test_it_learns_and_skips_help():
    torch.manual_seed(0)
    with_skips = final_loss(UNet(2, 1, (8, 16, 32)))
    without = final_loss(UNet(2, 1, (8, 16, 32), skips=False))
    assert with_skips < 0.02
    assert with_skips < 0.3 * without


@torch.inference_mode()
def test_one_channel_runs_channels_last():
    network = unet_small(2).eval().to(memory_format=torch.channels_last)
    assert network(torch.rand(1, 1, 32, 32)).is_contiguous(memory_format=torch.channels_last)
