"""Trainable layers: the heads, the upper stages of the backbone, or all."""

from __future__ import annotations

from typing import Any

from torch import nn

from instseg.core.errors import ArgumentError
from instseg.models.compact import CompactBackbone
from instseg.models.efficientnet_lite_fpn import EfficientNetLiteFPN
from instseg.models.unet_efficientnet_lite import EfficientNetLiteEncoder

SCOPES = ("heads", "5+", "4+", "3+", "all")
LITE = (EfficientNetLiteFPN, EfficientNetLiteEncoder)  # backbones with EfficientNet-Lite0
SMALL_BATCH = 16  # smaller batches have less reliable statistics than the running ones


def train_only(network: nn.Module, scope: str) -> None:
    """Make only some layers of a network trainable.

    Args:
        network: A detector, or a segmenter with `has_stages`; changed in place.
        scope: `heads` (all but the stages: pyramid, proposals and heads, or the decoder), `5+`,
            `4+`, `3+` (also these stages of the backbone and those above) or `all`. Stages are
            numbered as in Matterport's Mask R-CNN: stage 2 has stride 4, stage 5 has stride 32.
            Depthwise convolutions of EfficientNet-Lite0 are trained with `all` only.

    Raises:
        ArgumentError: The scope is unknown.
    """
    check_scope(scope)
    network.requires_grad_(True)
    if scope != "all":
        if isinstance(network.backbone, LITE):
            freeze_depthwise(network.backbone.body)
        lowest = int(scope[0]) if scope[0].isdigit() else 6
        for stage, modules in _stages(network).items():
            if stage < lowest:
                for module in modules:
                    module.requires_grad_(False)


def check_scope(scope: str) -> None:
    """Raise ArgumentError for an unknown scope."""
    if scope not in SCOPES:
        raise ArgumentError(f"{{layers}}: choose one of {', '.join(SCOPES)}", layers=scope)


def parse_layers(layers: str, epochs: int, *, with_epochs: bool) -> list[tuple[str, int]]:
    """The scopes that are trained in turn, with the epochs of each.

    Args:
        layers: A scope, or `SCOPE:EPOCHS` with commas between.
        epochs: Number of epochs if only a scope is given.
        with_epochs: Whether `SCOPE:EPOCHS` is allowed.

    Raises:
        ArgumentError: `layers` is something else.
    """
    if ":" not in layers:
        check_scope(layers)
        return [(layers, epochs)]
    pairs = [each.strip().partition(":") for each in layers.split(",")]
    for scope, _, _ in pairs:
        check_scope(scope)
    if not with_epochs or not all(count.isdigit() and int(count) for _, _, count in pairs):
        raise ArgumentError(
            f"{{layers}} {layers}: expected a scope, or for {{coco_json}} SCOPE:EPOCHS with commas"
        )
    return [(scope, int(count)) for scope, _, count in pairs]


def freeze_depthwise(network: nn.Module) -> None:
    """Freeze the depthwise convolutions.

    They are few weights, and the gradient of these takes a quarter of a step on a CPU.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            module.requires_grad_(False)


def has_stages(network: nn.Module) -> bool:
    """Whether a semantic network has a backbone whose stages are known here."""
    return isinstance(getattr(network, "backbone", None), LITE)


def rest_frozen_norms(network: nn.Module) -> None:
    """Put BatchNorm layers that are not trained into evaluation mode: their statistics stay."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and not module.weight.requires_grad:
            module.eval()


def freeze_batch_norms(network: nn.Module) -> None:
    """Freeze BatchNorm: its parameters and running statistics stay as they are."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
            module.requires_grad_(False)


def backbone_weights(network: nn.Module) -> list[nn.Parameter]:
    """The weights of the backbone's stages, without the pyramid."""
    modules = (module for stage in _stages(network).values() for module in stage)
    return [weight for module in modules for weight in module.parameters()]


def _stages(network: nn.Module) -> dict[int, list[nn.Module]]:
    backbone: Any = network.backbone
    if isinstance(backbone, LITE):
        body, head = backbone.body, backbone.head
        first, second, third, *fourth_and_fifth = body.stages
        return {
            1: [body.stem, first],
            2: [second],
            3: [third],
            4: fourth_and_fifth[:2],
            5: [*fourth_and_fifth[2:], head],
        }
    if isinstance(backbone, CompactBackbone):  # its first stage keeps the stem's resolution
        return {1: [backbone.stem], **{i: [s] for i, s in enumerate(backbone.stages, start=2)}}
    body = backbone.body
    return {
        1: [body.conv1, body.bn1],
        2: [body.layer1],
        3: [body.layer2],
        4: [body.layer3],
        5: [body.layer4],
    }
