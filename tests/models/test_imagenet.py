"""ImageNet weights from their package."""

import importlib.util

import pytest
import torch

from instseg.core.errors import InputError
from instseg.files.model_file import load_torch_state_dict
from instseg.models.efficientnet_lite_fpn import efficientnet_lite0_fpn
from instseg.models.imagenet import ARCHITECTURE, PACKAGE, load_imagenet, require_imagenet
from instseg.training.detection_start import DetectorStart
from instseg.training.finetune_options import FinetuneOptions

installed = pytest.mark.skipif(not importlib.util.find_spec(PACKAGE), reason="needs its package")


@installed
def test_every_tensor_of_the_trunk_is_the_packages():
    theirs = load_torch_state_dict(require_imagenet("efficientnet_lite0_fpn"))
    network = efficientnet_lite0_fpn(3)
    load_imagenet(network)
    ours = {**network.backbone.body.state_dict(), **network.backbone.head.state_dict()}
    packages = [tensor for name, tensor in theirs.items() if not name.startswith("_fc")]
    assert len(ours) == len(packages)
    # in the order of the layers
    for one, other in zip(ours.values(), packages, strict=True):
        assert torch.equal(one, other)


@installed
def test_no_architecture_is_needed():
    FinetuneOptions(scenes=8, weights="imagenet").check()
    start = DetectorStart(weights="imagenet").model(("BG", "cup"), (0, 1))
    assert start.card.architecture == ARCHITECTURE
    with pytest.raises(InputError, match="weights none needs architecture, such as compact"):
        FinetuneOptions(scenes=8, weights="none").check()


def test_other_architectures_are_refused():
    with pytest.raises(InputError, match="is for architecture efficientnet_lite0_fpn"):
        require_imagenet("compact")
