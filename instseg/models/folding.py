"""Networks for inference alone, with BatchNorm folded into the convolutions."""

from __future__ import annotations

import copy
import itertools

from torch import nn
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.ops import FrozenBatchNorm2d

from instseg.models.mask_rcnn import Model
from instseg.models.quick import QUICK_LAYERS, folded, with_layers

NORMS = (nn.BatchNorm2d, FrozenBatchNorm2d)


def folded_network(model: Model) -> GeneralizedRCNN:
    """A copy of the network in evaluation mode, with BatchNorm folded into the convolutions."""
    network = fold_batch_norms(with_layers(copy.deepcopy(model.network), QUICK_LAYERS))
    return network.eval().requires_grad_(False)


def fold_batch_norms(network: GeneralizedRCNN) -> GeneralizedRCNN:
    """Fold every BatchNorm that directly follows a convolution into it, in place."""
    for parent in list(network.modules()):
        children = list(parent.named_children())
        for (_, conv), (name, norm) in itertools.pairwise(children):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, NORMS):
                conv.weight, conv.bias = map(nn.Parameter, folded(conv, norm))
                setattr(parent, name, nn.Identity())
    return network
