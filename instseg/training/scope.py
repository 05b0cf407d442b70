"""Which part of a network is trained: its heads, its upper stages, or all of it."""

from __future__ import annotations

from torch import nn
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN

from instseg.core.errors import ArgumentError
from instseg.models.compact import CompactBackbone

SCOPES = ("heads", "5+", "4+", "3+", "all")
SMALL_BATCH = 16  # below it the running statistics are better than those of a batch


def train_only(network: GeneralizedRCNN, scope: str) -> None:
    """Train only a part of a network.

    Args:
        network: Changed in place.
        scope: `heads` (pyramid, proposals and heads), `5+`, `4+`, `3+` (these stages of the trunk
            and everything above) or `all`. Stages are numbered as in Matterport's Mask R-CNN:
            stage 2 works at a quarter of the image's size, stage 5 at a 32nd.

    Raises:
        ArgumentError: For another scope.
    """
    check_scope(scope)
    network.requires_grad_(True)
    if scope != "all":
        lowest = int(scope[0]) if scope[0].isdigit() else 6
        for stage, modules in _stages(network).items():
            if stage < lowest:
                for module in modules:
                    module.requires_grad_(False)


def check_scope(scope: str) -> None:
    """Raise ArgumentError for a scope that there is not."""
    if scope not in SCOPES:
        raise ArgumentError(f"{{layers}}: choose one of {', '.join(SCOPES)}", layers=scope)


def parse_layers(layers: str, epochs: int, *, with_epochs: bool) -> list[tuple[str, int]]:
    """Which scopes are trained, one after the other, and for how many epochs each.

    Args:
        layers: A scope, or `SCOPE:EPOCHS` with commas between.
        epochs: Of a scope alone.
        with_epochs: Whether `SCOPE:EPOCHS` is allowed.

    Raises:
        ArgumentError: It is something else.
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


def freeze_batch_norms(network: nn.Module) -> None:
    """Freeze BatchNorm: its parameters and running statistics stay as they are."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
            module.requires_grad_(False)


def _stages(network: GeneralizedRCNN) -> dict[int, list[nn.Module]]:
    backbone = network.backbone
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
