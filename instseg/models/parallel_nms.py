"""Non-maximum suppression of many groups of boxes at once, in a few matrix products.

The usual algorithm goes from box to box, which leaves a GPU idle. Here every box asks in each round
whether a better one that is still kept overlaps it too much. Each round makes the answers final at
least one place further down every chain of overlapping boxes. Once a round changes nothing, they
are those of the usual algorithm.
"""

from __future__ import annotations

import torch
from torch import Tensor

ROUNDS = 16  # between two questions whether anything has changed, each of which waits
PAIRS_AT_ONCE = 2**25  # of boxes whose overlap is in memory


def parallel_nms(boxes: Tensor, classes: Tensor | None, valid: Tensor, threshold: float) -> Tensor:
    """Suppress boxes that overlap a better one of their group and class.

    Args:
        boxes: float32 (G, K, 4) xyxy, each group in descending order of score.
        classes: int64 (G, K); None if all boxes of a group are of one class.
        valid: bool (G, K), the boxes that take part.
        threshold: IoU above which the box with the lower score is removed.

    Returns:
        Which boxes are kept, bool (G, K).
    """
    groups, count = valid.shape
    if not valid.numel():
        return valid
    step = max(PAIRS_AT_ONCE // count**2, 1)
    parts = [slice(start, start + step) for start in range(0, groups, step)]
    beats = torch.cat(
        [_beats(boxes[at], None if classes is None else classes[at], threshold) for at in parts]
    )
    kept = valid
    while True:
        for _ in range(ROUNDS):
            before = kept
            beaten = torch.bmm(kept[:, None].to(beats.dtype), beats)[:, 0] > 0
            kept = valid & ~beaten
        if torch.equal(before, kept):
            return kept


def _beats(boxes: Tensor, classes: Tensor | None, threshold: float) -> Tensor:
    """1 where the first of two boxes of a group would remove the second: bfloat16 (G, K, K)."""
    x0, y0, x1, y1 = boxes[..., None].unbind(2)  # each [G,K,1]
    width = torch.minimum(x1, x1.mT).sub_(torch.maximum(x0, x0.mT)).clamp_(min=0)
    height = torch.minimum(y1, y1.mT).sub_(torch.maximum(y0, y0.mT)).clamp_(min=0)
    common = width.mul_(height)
    area = (x1 - x0) * (y1 - y0)
    beats = common / (area + area.mT - common) > threshold
    if classes is not None:
        beats &= classes[:, :, None] == classes[:, None, :]
    return beats.triu_(1).to(torch.bfloat16)
