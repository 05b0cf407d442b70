"""The small Mask R-CNN for photos: shapes, context of boxes, shared outputs."""

import pytest
import skimage.data
import torch
from torchvision.ops import roi_align

from instseg.models.compact import LEVELS, MASK_LEVEL
from instseg.models.detections import Choice
from instseg.models.efficientnet_lite_fpn import (
    CONTEXT,
    CONTEXT_CHANNELS,
    ClassAgnosticBoxPredictor,
    ContextRoIAlign,
    EfficientNetLiteFPN,
    efficientnet_lite0_fpn,
)
from instseg.models.inference import Detector
from instseg.models.mask_rcnn import load_detector


@pytest.mark.parametrize("size_hw", [(64, 96), (37, 101), (1, 1)])
def test_feature_maps_of_any_size(size_hw):
    features = EfficientNetLiteFPN(12, 6).eval()(torch.rand(2, 3, *size_hw))
    assert list(features) == [*LEVELS, MASK_LEVEL, CONTEXT]
    channels = [12, 12, 12, 12, 6, CONTEXT_CHANNELS]
    strides = [8, 16, 32, 64, 4, 32]
    for level, count, stride in zip(features.values(), channels, strides, strict=True):
        assert level.shape == (2, count, *(-(-side // stride) for side in size_hw))


def test_a_box_sees_its_cells_then_its_context_then_that_of_the_photo():
    features = {name: torch.rand(2, 5, 40 >> i, 40 >> i) for i, name in enumerate(LEVELS[:3])}
    features[CONTEXT] = torch.rand(2, 7, 10, 10)
    boxes = [torch.tensor([[32.0, 64, 96, 128]]), torch.tensor([[0.0, 0, 320, 320]])]
    pooled = ContextRoIAlign(LEVELS[:3], 7, finest_stride=8, finest_px=48)(features, boxes, [])
    assert pooled.shape == (2, 5 * 49 + 7 + 7)
    inside = roi_align(features[CONTEXT], boxes, 2, 1 / 32, 2).mean((2, 3))
    torch.testing.assert_close(pooled[:, -14:-7], inside)
    torch.testing.assert_close(pooled[:, -7:], features[CONTEXT].mean((2, 3)))


def test_all_classes_share_boxes_and_masks():
    predictor = ClassAgnosticBoxPredictor(8, 5)
    logits, deltas = predictor(torch.rand(3, 8))
    assert logits.shape == (3, 5)
    assert torch.equal(deltas.view(3, 5, 4), deltas[:, None, :4].expand(3, 5, 4))
    network = efficientnet_lite0_fpn(5, class_agnostic_mask=True)
    assert network.roi_heads.mask_predictor.logits.out_features == 1


def test_equal_to_torchvisions_own_pass():
    model = load_detector("photos")
    image = torch.from_numpy(skimage.data.astronaut()).permute(2, 0, 1)
    choice = Choice(score_threshold=0.2)
    (found,) = Detector(model, torch.device("cpu"), torch.float32)([image], choice)
    with torch.inference_mode():
        (theirs,) = model.network([image.float() / 255])
    kept = theirs["scores"] > 0.2
    assert len(found.boxes) == kept.sum() > 0
    torch.testing.assert_close(found.scores, theirs["scores"][kept], rtol=0, atol=1e-4)
    torch.testing.assert_close(found.boxes, theirs["boxes"][kept], rtol=0, atol=0.05)
