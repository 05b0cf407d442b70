"""Stand-in weights: random, in torchvision's exact layout, yet with dozens of detections.

A random network magnifies the rounding of its first layers a thousandfold. Weak residual branches
and small box steps keep it near a float32's own, so that two ways to compute the same can be told
from two ways to compute something else. Small weights before the norms make their eps matter.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from instseg.files.model_card import ModelCard
from instseg.models.mask_rcnn import Model, build_detector
from instseg.models.registry import LARGE
from instseg.scenes.scene import draw_scene

SPREAD = {  # standard deviation of the values that each output layer gives
    "rpn.head.cls_logits": 1.0,
    "rpn.head.bbox_pred": 0.005,
    "roi_heads.box_predictor.cls_score": 1.2,
    "roi_heads.box_predictor.bbox_pred": 0.1,
    "roi_heads.mask_predictor.mask_fcn_logits": 2.0,  # of torchvision's networks
    "roi_heads.mask_predictor.logits": 2.0,  # of compact
}
BRANCH = 0.1  # weight of a residual branch's last norm
TRUNK = 0.03  # factor of the trunk's convolutions

TINY_CARD = ModelCard(
    architecture="compact",
    architecture_args={
        "num_classes": 4,
        "width": 8,
        "channels": 8,
        "mask_channels": 8,
        "head_channels": 16,
        "mask_head": [8],
    },
    class_names=("BG", "cat", "dog", "cup"),
    category_ids=(0, 17, 18, 47),
    preprocessing={**LARGE, "min_size": 64, "max_size": 96},
    thresholds={},
    provenance={},
)


@torch.inference_mode()
def stand_in_model(card: ModelCard, seed: int = 0) -> Model:
    """A model whose norms and output layers were fitted to one drawn scene."""
    torch.manual_seed(seed)
    model = build_detector(card)
    hooks = []
    for name, module in model.network.named_modules():
        if isinstance(module, nn.BatchNorm2d | FrozenBatchNorm2d):
            module.bias.normal_(0, 0.2)
            if name.endswith("bn3"):
                module.weight.fill_(BRANCH)
            hooks.append(module.register_forward_pre_hook(fit_norm))
        elif name in SPREAD:
            hooks.append(module.register_forward_hook(fit_spread(SPREAD[name])))
        elif isinstance(module, nn.Conv2d) and name.startswith("backbone.body"):
            module.weight.mul_(TRUNK)
    size_px, model.network.transform.min_size = model.network.transform.min_size, (320,)
    model.network([torch.from_numpy(draw_scene(0).image).permute(2, 0, 1) / 255])
    model.network.transform.min_size = size_px
    for hook in hooks:
        hook.remove()
    return model


def fit_norm(norm: nn.Module, inputs: tuple[Tensor]) -> None:
    """Set a norm's statistics to those of what it is given, a little off."""
    norm.running_mean.copy_(inputs[0].mean((0, 2, 3)))
    norm.running_var.copy_(inputs[0].var((0, 2, 3)) * 1.1)


def fit_spread(spread: float):
    """A hook that scales a layer so that each of its outputs has mean 0 and this deviation."""

    def fit(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        values = output if isinstance(layer, nn.Linear) else output.movedim(1, -1)
        values = values.flatten(0, -2)  # [N,outputs]
        mean, factor = values.mean(0), spread / values.std(0).clamp(min=1e-6)
        layer.weight.mul_(factor.view(-1, *[1] * (layer.weight.ndim - 1)))
        layer.bias.sub_(mean).mul_(factor)
        return layer.forward(*inputs)

    return fit


def published_layout(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The keys of torchvision's file of 2019 for `resnet50_fpn`, which it still reads."""

    def old(name: str) -> str:
        name = re.sub(r"(fpn\.(?:inner|layer)_blocks\.\d)\.0\.", r"\1.", name)
        name = name.replace("rpn.head.conv.0.0.", "rpn.head.conv.")
        return re.sub(
            r"mask_head\.(\d)\.0\.", lambda m: f"mask_head.mask_fcn{int(m[1]) + 1}.", name
        )

    return {old(name): tensor for name, tensor in state.items()}
