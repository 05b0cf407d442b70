"""`instseg benchmark`: that both sides do the same work, and that the figures are written."""

import json

import torch
from pycocotools import mask as coco_mask
from torchvision.models.detection.roi_heads import paste_masks_in_image

from instseg.cli import main
from instseg.commands import benchmark
from instseg.files.image import write_image
from instseg.models.mask_rcnn import build, coco_card
from instseg.predict.paste import paste_masks


def test_figures_of_inference(tmp_path, capsys):
    photo = tmp_path / "photo.png"
    narrow = torch.randint(0, 255, (8, 128, 3), dtype=torch.uint8)  # the network sees 83 x 1333
    write_image(photo, narrow.numpy())
    path = tmp_path / "figures.json"
    options = ["--images", f"[{photo}]", "--repeats", "1", "--json", str(path)]
    assert main(["benchmark", "infer", *options, "--out", str(tmp_path)]) == 0
    figures = json.loads(path.read_text())
    assert figures["ratio"] == figures["peer"]["median"] / figures["ours"]["median"]
    assert figures["versions"]["torch"] == torch.__version__
    assert "times as fast" in capsys.readouterr().out


def test_inference_with_a_pth_file(tmp_path):
    photo, weights = tmp_path / "photo.png", tmp_path / "weights.pth"
    write_image(photo, torch.zeros((64, 64, 3), dtype=torch.uint8).numpy())
    torch.save(build(coco_card("compact")).network.state_dict(), weights)
    options = ["--images", f"[{photo}]", "--repeats", "1", "--weights", str(weights)]
    assert main(["benchmark", "infer", *options, "--architecture", "compact"]) == 0


def test_both_sides_of_post_processing_give_the_same_masks(monkeypatch):
    monkeypatch.setattr(benchmark, "PHOTO_HW", (300, 400))
    monkeypatch.setattr(benchmark, "DETECTIONS", 20)
    soft, boxes = benchmark.soft_masks(seed=0)
    boxes = boxes.clamp(max=300)
    ours = paste_masks(soft, boxes, (300, 400)).to_rle()
    peer = benchmark.encode(paste_masks_in_image(soft[:, None], boxes, (300, 400)))
    assert [rle["counts"] for rle in ours] == [rle["counts"].decode() for rle in peer]
    assert sum(map(int, coco_mask.area(peer))) > 0


def test_no_kind_is_wrong_usage(capsys):
    assert main(["benchmark"]) == 2
    assert "what" in capsys.readouterr().err
