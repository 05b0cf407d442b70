"""`instseg benchmark`: that both sides do the same work, and that the figures are written."""

import json

import torch

from instseg.cli import main
from instseg.files.image import read_image
from instseg.files.image_writing import write_image
from instseg.models.mask_rcnn import build_detector, coco_card


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
    torch.save(build_detector(coco_card("compact")).network.state_dict(), weights)
    options = ["--images", f"[{photo}]", "--repeats", "1", "--weights", str(weights)]
    assert main(["benchmark", "infer", *options, "--architecture", "compact"]) == 0


def test_stages_of_inference(tiny_weights, tmp_path, capsys):
    path = tmp_path / "figures.json"
    options = ["--weights", str(tiny_weights), "--repeats", "1", "--detections", "3"]
    options += ["--json", str(path), "--out", str(tmp_path)]
    assert main(["benchmark", "infer", "--stages", *options]) == 0
    figures = json.loads(path.read_text())
    assert figures["stages"]["total"]["median"] > 0
    shown = capsys.readouterr().out
    assert all(words in shown for words in ("box RoIAlign", "floor s", "GFLOP/s"))


def test_stages_go_with_inference(capsys):
    assert main(["benchmark", "draw", "--stages"]) == 2
    assert "--stages goes with infer" in capsys.readouterr().err


def test_figures_of_evaluation_for_boxes_and_masks(tmp_path, capsys):
    path = tmp_path / "figures.json"
    options = ["--images-count", "8", "--repeats", "1", "--json", str(path)]
    assert main(["benchmark", "evaluate", *options, "--out", str(tmp_path)]) == 0
    figures = json.loads(path.read_text())
    assert (figures["images"], figures["detections"]) == (8, 800)
    for kind in ("bbox", "segm"):
        seconds = [figures[side][f"{kind}_s"] for side in ("ours", "peer")]
        assert figures["ratio"][kind] == seconds[1] / seconds[0]
    assert "segm: " in (told := capsys.readouterr().out)
    assert "times as fast as pycocotools" in told


def test_figures_of_reading(tmp_path):
    path = tmp_path / "figures.json"
    options = ["--images-count", "40", "--repeats", "1", "--json", str(path)]
    assert main(["benchmark", "read", *options, "--out", str(tmp_path)]) == 0
    figures = json.loads(path.read_text())
    assert figures["annotations"] > 40
    assert figures["ours"]["read_s"] > 0


def test_figures_of_training(tiny_weights, tmp_path, capsys):
    path = tmp_path / "figures.json"
    options = ["--weights", str(tiny_weights), "--repeats", "2", "--json", str(path)]
    assert main(["benchmark", "train", *options, "--out", str(tmp_path)]) == 0
    figures = json.loads(path.read_text())
    assert figures["ratio"] == figures["peer"]["median"] / figures["ours"]["median"]
    for side in ("ours", "peer"):
        assert figures[side]["peak_mb"] > 0
        assert figures[side]["steps_per_s"] == 1 / figures[side]["median"]
        assert len(figures["losses"][side]) == 3
    assert read_image(path.with_suffix(".png")).shape[2] == 3
    assert "times as fast as torchvision" in capsys.readouterr().out


def test_no_kind_is_wrong_usage(capsys):
    assert main(["benchmark"]) == 2
    assert "what" in capsys.readouterr().err


def test_no_images_is_wrong_usage(capsys):
    assert main(["benchmark", "read", "--images-count", "0"]) == 2
    assert "--images-count" in capsys.readouterr().err


def test_wrong_usage_of_training(tmp_path, capsys):
    assert main(["benchmark", "train", "--batch-size", "0"]) == 2
    assert "--batch-size" in capsys.readouterr().err
    coco_json = tmp_path / "train.json"
    assert (
        main(["benchmark", "train", "--architecture", "compact", f"--coco-json={coco_json}"]) == 2
    )
    assert "--images" in capsys.readouterr().err
