"""Post-processing beside torchvision's."""

from pycocotools import mask as coco_mask
from torchvision.models.detection.roi_heads import paste_masks_in_image

from instseg.benchmark import postprocess
from instseg.predict.paste import paste_masks


def test_both_sides_of_post_processing_give_the_same_masks(monkeypatch):
    monkeypatch.setattr(postprocess, "PHOTO_HW", (300, 400))
    monkeypatch.setattr(postprocess, "DETECTIONS", 20)
    soft, boxes = postprocess.soft_masks(seed=0)
    boxes = boxes.clamp(max=300)
    ours = paste_masks(soft, boxes, (300, 400)).to_rle()
    peer = postprocess.encode(paste_masks_in_image(soft[:, None], boxes, (300, 400)))
    assert [rle["counts"] for rle in ours] == [rle["counts"].decode() for rle in peer]
    assert sum(map(int, coco_mask.area(peer))) > 0
