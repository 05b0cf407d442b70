"""Every architecture by name: its task, its builder, and the valid arguments in model cards.

Names are checked, and detectors distinguished from segmenters, without building or downloading.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec
from torch import nn

from instseg.core.errors import InputError
from instseg.files.model_card import ModelCard
from instseg.models.compact import compact
from instseg.models.efficientnet_lite_fpn import efficientnet_lite0_fpn
from instseg.models.resnet_fpn import resnet50_fpn, resnet50_fpn_v2
from instseg.models.semantic_networks import (
    SMP_PREFIX,
    TORCHVISION,
    check_smp,
    check_torchvision,
    smp_network,
    torchvision_network,
)
from instseg.models.unet import UNet, unet_64, unet_dropout, unet_small
from instseg.models.unet_efficientnet_lite import check_encoder_weights, unet_efficientnet_lite0

Kind = Literal["detector", "segmenter"]

# Far more than any real network has, and far less than would exhaust the memory.
Outputs = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Width = Annotated[int, msgspec.Meta(ge=1, le=2048)]
Widths = Annotated[list[Width], msgspec.Meta(min_length=1, max_length=8)]
Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]
SmpOption = (
    Annotated[int, msgspec.Meta(ge=-2048, le=2048)]
    | Annotated[list[Annotated[int, msgspec.Meta(ge=-2048, le=2048)]], msgspec.Meta(max_length=8)]
    | float
    | bool
    | str
    | None
)


class DetectorArguments(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Arguments of torchvision's Mask R-CNNs."""

    num_classes: Outputs
    class_agnostic_mask: bool = False


class EfficientNetLiteArguments(DetectorArguments, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `efficientnet_lite0_fpn`."""

    channels: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 96
    mask_channels: Width = 64
    head_channels: Width = 256
    mask_head: Widths = msgspec.field(default_factory=list)


class CompactArguments(EfficientNetLiteArguments, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `compact`."""

    width: Annotated[int, msgspec.Meta(ge=2, le=256)] = 32


class SegmenterArguments(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Arguments of semantic networks."""

    num_classes: Outputs
    in_channels: Width = 3


class SmpArguments(SegmenterArguments, kw_only=True, forbid_unknown_fields=False):
    """Arguments of segmentation-models-pytorch, which has further ones."""


class UnetPresetArguments(SegmenterArguments, kw_only=True, forbid_unknown_fields=True):
    """Arguments of the U-Nets with fixed widths."""

    skips: bool = True


class UnetArguments(UnetPresetArguments, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `unet`."""

    widths: Widths = msgspec.field(default_factory=list)
    norm: bool = True
    dropout: Share = 0.0


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The description of an architecture, available without building it.

    Attributes:
        name: Its name in model cards.
        kind: Whether it predicts instances or semantic maps.
        build: Builds the network from the `architecture_args` of a card; that of a segmenter also
            takes `encoder_weights`.
        arguments: The valid arguments.
        output_rows: Rows per output, by name of the layers whose rows belong to the outputs.
        check_weights: Raises InputError for encoder weights that do not exist.
        preprocessing: Of a new model, see `ModelCard`; of a segmenter only what differs from
            `instseg.models.segmenters.PREPROCESSING`.
    """

    name: str
    kind: Kind
    build: Callable[..., Any]
    arguments: type[msgspec.Struct]
    output_rows: Mapping[str, int]
    check_weights: Callable[[str], Any] = field(default=lambda _: None)
    preprocessing: Mapping[str, Any] = field(default_factory=dict)


def _unet(
    name: str,
    build: Callable[..., nn.Module],
    arguments: type[msgspec.Struct] = UnetPresetArguments,
) -> Architecture:
    def check(encoder_weights: str) -> None:
        if encoder_weights != "none":
            raise InputError(f"{name} has no pretrained encoder; use encoder weights none")

    def built(encoder_weights: str, **options: Any) -> nn.Module:
        check(encoder_weights)
        return build(**options)

    return Architecture(
        name=name,
        kind="segmenter",
        build=built,
        arguments=arguments,
        output_rows={"head": 1},
        check_weights=check,
    )


IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
LARGE: dict[str, Any] = {"min_size": 800, "max_size": 1333, **IMAGENET}
EFFICIENTNET_LITE = {"mean": [0.498] * 3, "std": [0.502] * 3}  # as its ImageNet weights have it
SMALL: dict[str, Any] = {"min_size": 320, "max_size": 544, **IMAGENET}


def _detector(
    name: str,
    build: Callable[..., nn.Module],
    mask_logits: str = "logits",
    *,
    box_rows: Mapping[str, int] = MappingProxyType({"roi_heads.box_predictor.bbox_pred": 4}),
    **options: Any,
) -> Architecture:
    rows = {"roi_heads.box_predictor.cls_score": 1, f"roi_heads.mask_predictor.{mask_logits}": 1}
    return Architecture(
        name=name, kind="detector", build=build, output_rows={**rows, **box_rows}, **options
    )


DETECTORS = {
    each.name: each
    for each in (
        _detector(
            "resnet50_fpn",
            resnet50_fpn,
            "mask_fcn_logits",
            arguments=DetectorArguments,
            preprocessing=LARGE,
        ),
        _detector(
            "resnet50_fpn_v2",
            resnet50_fpn_v2,
            "mask_fcn_logits",
            arguments=DetectorArguments,
            preprocessing=LARGE,
        ),
        _detector("compact", compact, arguments=CompactArguments, preprocessing=SMALL),
        _detector(
            "efficientnet_lite0_fpn",
            efficientnet_lite0_fpn,
            box_rows={},
            arguments=EfficientNetLiteArguments,
            preprocessing=SMALL | EFFICIENTNET_LITE,
        ),
    )
}
UNETS = {
    each.name: each
    for each in (
        _unet("unet", UNet, UnetArguments),
        _unet("unet_small", unet_small),
        _unet("unet_dropout", unet_dropout),
        _unet("unet_64", unet_64),
    )
}
SEGMENTERS = UNETS | {
    "unet_efficientnet_lite0": Architecture(
        name="unet_efficientnet_lite0",
        kind="segmenter",
        build=unet_efficientnet_lite0,
        arguments=SegmenterArguments,
        output_rows={"logits": 1, "classes": 1},
        check_weights=check_encoder_weights,
        preprocessing=EFFICIENTNET_LITE,
    )
}
SEGMENTERS |= {
    name: Architecture(
        name=name,
        kind="segmenter",
        build=partial(torchvision_network, name),
        arguments=SegmenterArguments,
        output_rows={"network.classifier.4": 1},
        check_weights=partial(check_torchvision, name),
    )
    for name in TORCHVISION
}


def find(name: str) -> Architecture | None:
    """The architecture of a name, if there is one."""
    if name.startswith(SMP_PREFIX):
        return Architecture(
            name=name,
            kind="segmenter",
            build=partial(smp_network, name),
            arguments=SmpArguments,
            output_rows={"network.segmentation_head.0": 1},
            check_weights=partial(check_smp, name),
        )
    return {**DETECTORS, **SEGMENTERS}.get(name)


def is_segmenter(name: str) -> bool:
    """Whether this is the name of a semantic network, not of a Mask R-CNN."""
    found = find(name)
    return found is not None and found.kind == "segmenter"


def detector(name: str) -> Architecture:
    """The Mask R-CNN of a name.

    Raises:
        InputError: for a name that is not among these.
    """
    if name not in DETECTORS:
        known = ", ".join(DETECTORS)
        raise InputError(f"architecture {name!r} is unknown; use one of {known}")
    return DETECTORS[name]


def segmenter(name: str, encoder_weights: str = "none") -> Architecture:
    """The semantic network of a name; nothing is built or downloaded.

    Args:
        name: A key of `SEGMENTERS`, or `smp:NAME:ENCODER`.
        encoder_weights: Pretrained weights of its encoder.

    Raises:
        InputError: for a name that is not among these, a missing library, or weights that do not
            exist.
    """
    found = find(name)
    if found is None or found.kind != "segmenter":
        known = ", ".join(SEGMENTERS)
        raise InputError(
            f"semantic network {name!r} is unknown; use one of {known}, or smp:NAME:ENCODER"
        )
    found.check_weights(encoder_weights)
    return found


def check_card(card: ModelCard, architecture: Architecture) -> None:
    """Raise InputError for a card with arguments that such a network cannot have.

    Model files may come from other people. A card with a billion classes would otherwise exhaust
    the memory before its weights are found not to fit.
    """
    try:
        arguments = msgspec.convert(card.architecture_args, architecture.arguments)
        if isinstance(arguments, SmpArguments):
            msgspec.convert(card.architecture_args, dict[str, SmpOption])
    except msgspec.ValidationError as error:
        raise _unusable(card, str(error)) from error
    prepare = card.preprocessing
    channels = arguments.in_channels if isinstance(arguments, SegmenterArguments) else 3
    if len(prepare["mean"]) != channels:
        raise _unusable(card, f"{channels} channels, but {len(prepare['mean'])} means")
    sizes = [prepare[key] for key in ("min_size", "max_size") if key in prepare]
    if len(sizes) < 2 or (architecture.kind == "detector" and None in sizes):
        raise _unusable(card, "it needs min_size and max_size")
    outputs = card.architecture_args["num_classes"]  # one for each class, or for each dataset id
    if outputs != len(card.class_names) and not set(card.category_ids) <= set(range(outputs)):
        raise _unusable(card, f"{outputs} outputs have no place for category id")


def _unusable(card: ModelCard, reason: str) -> InputError:
    return InputError(
        f"{card.architecture} cannot be built as the model card describes it ({reason}); "
        "save the model again"
    )
