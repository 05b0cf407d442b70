"""BatchNorm folded into convolutions."""

import pytest
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.ops import FrozenBatchNorm2d

from instseg.models.folding import fold_batch_norms
from instseg.models.mask_rcnn import build_detector, coco_card


@pytest.mark.parametrize("architecture", ["resnet50_fpn", "resnet50_fpn_v2"])
def test_every_batch_norm_is_folded(architecture):
    network = fold_batch_norms(build_detector(coco_card(architecture)).network)
    assert not any(isinstance(m, _BatchNorm | FrozenBatchNorm2d) for m in network.modules())
