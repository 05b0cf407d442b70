"""The semantic networks by name, and their model files."""

import sys

import pytest
import torch
from stand_in import TINY_CARD
from torchvision.models import mobilenet_v3_large, segmentation

from instseg.core.errors import InputError
from instseg.files.model_file import describe, read_model_card
from instseg.models.mask_rcnn import build_detector, load_detector
from instseg.models.segmenters import PREPROCESSING, fresh_segmenter, load_segmenter
from instseg.models.semantic_networks import SMP, SMP_MULTIPLE, TORCHVISION

NAMES, IDS = ("BG", "cat", "dog"), (0, 17, 18)
GREY = {"min_size": None, "max_size": None, "mean": [0.5], "std": [0.25]}


def fresh(architecture, **options):
    torch.manual_seed(0)
    return fresh_segmenter(architecture, NAMES, IDS, **options)


@torch.inference_mode()
@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvisions_networks_give_torchvisions_logits(name):
    """In float64, where it shows that the same is computed, not in which order."""
    network = fresh(name).network.double()
    reference = getattr(segmentation, name)(weights=None, weights_backbone=None, num_classes=3)
    reference.double().eval().load_state_dict(network.network.state_dict())
    images = torch.rand(1, 3, 41, 50, dtype=torch.float64)
    torch.testing.assert_close(network(images), reference(images)["out"], rtol=0, atol=1e-9)


@torch.inference_mode()
def test_smp_networks_give_smps_logits():
    smp = pytest.importorskip("segmentation_models_pytorch")
    network = fresh("smp:FPN:mobilenet_v2").network.double()
    reference = smp.FPN("mobilenet_v2", encoder_weights=None, classes=3)
    reference.double().eval().load_state_dict(network.network.state_dict())
    assert reference.encoder.output_stride == SMP_MULTIPLE
    images = torch.rand(1, 3, 64, 96, dtype=torch.float64)
    torch.testing.assert_close(network(images), reference(images), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "name",
    [
        "unet_small",
        "unet_efficientnet_lite0",
        "deeplabv3_mobilenet_v3_large",
        *(f"smp:{kind}:mobilenet_v2" for kind in SMP if kind not in ("MAnet", "UPerNet")),
        *(f"smp:{kind}:mit_b0" for kind in ("MAnet", "UPerNet", "PSPNet", "Segformer")),
        "smp:Unet:tu-resnet10t",
    ],
)
def test_any_size_and_batches_of_one(name):
    if name.startswith("smp"):
        pytest.importorskip("segmentation_models_pytorch")
    network = fresh(name).network
    for size_hw in [(1, 1), (37, 50)]:
        with torch.inference_mode():
            logits = network.eval()(torch.rand(2, 3, *size_hw))
        assert logits.shape == (2, 3, *size_hw)
    logits = network.train()(torch.rand(1, 3, 20, 40))
    assert logits.shape == (1, 3, 20, 40)
    logits.square().mean().backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert len(gradients) > 20
    assert all(gradient.isfinite().all() for gradient in gradients)


@torch.inference_mode()
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("unet_small", {"skips": False}),
        ("unet", {"widths": [4, 8, 12], "norm": False, "dropout": 0.1, "preprocessing": GREY}),
        ("unet_efficientnet_lite0", {}),
        ("deeplabv3_mobilenet_v3_large", {}),
        ("smp:Unet:mobilenet_v2", {"preprocessing": GREY}),
    ],
)
def test_model_files_hold_all_that_rebuilds_a_model(tmp_path, name, options):
    if name.startswith("smp"):
        pytest.importorskip("segmentation_models_pytorch")
    model = fresh(name, **options)
    model.save(tmp_path / "model.safetensors")
    loaded = load_segmenter(tmp_path / "model.safetensors")
    assert loaded.card == model.card == read_model_card(tmp_path / "model.safetensors")
    assert not loaded.network.training
    images = torch.rand(1, model.in_channels, 40, 40)
    torch.testing.assert_close(loaded.network(images), model.network(images))


def test_the_small_unet_is_a_small_file(tmp_path):
    fresh("unet_small").save(tmp_path / "model.safetensors", dtype=torch.float16)
    assert describe(tmp_path / "model.safetensors")["bytes"] < 2**20


def test_encoder_weights_are_those_that_torchvision_loads(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    torch.manual_seed(1)
    encoder = mobilenet_v3_large().state_dict()
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    torch.save(encoder, cache / "mobilenet_v3_large-8738ca79.pth")
    network = fresh("deeplabv3_mobilenet_v3_large", encoder_weights="imagenet").network.network
    for name, weight in network.backbone.state_dict().items():
        assert torch.equal(weight, encoder[f"features.{name}"])


def refused(function, *args, **options):
    with pytest.raises(InputError) as caught:
        function(*args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["deeplabv3_mobilenet_v3_large", "smp:Unet:resnet18"])
def test_encoder_weights_that_cannot_be_downloaded(tmp_path, monkeypatch, name):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    if name.startswith("smp"):
        pytest.importorskip("segmentation_models_pytorch")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    message = refused(fresh, name, encoder_weights="imagenet")
    assert f"{name} with encoder weights 'imagenet' cannot be built (" in message
    assert message.endswith("check the names, or use encoder weights none")


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("u-net", {}, "'u-net' is unknown; use one of unet, unet_small"),
        ("compact", {}, "'compact' is unknown"),
        ("unet_64", {"encoder_weights": "imagenet"}, "no pretrained encoder"),
        ("fcn_resnet50", {"encoder_weights": "coco"}, "'coco' are none of none, imagenet"),
        ("fcn_resnet50", {"preprocessing": GREY}, "takes 3 channels, not 1"),
        ("unet_efficientnet_lite0", {"preprocessing": GREY}, "takes 3 channels, not 1"),
    ],
)
def test_networks_that_cannot_be(name, options, words):
    assert words in refused(fresh, name, **options)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("smp:Unet", {}, "expected smp:NAME:ENCODER"),
        ("smp:Unet:", {}, "expected smp:NAME:ENCODER"),
        ("smp:unet:resnet18", {}, "the names are Unet, UnetPlusPlus"),
        ("smp:PAN:resnet18", {}, "the names are Unet, UnetPlusPlus"),
        ("smp:Unet:resnet19", {}, "cannot be built (unknown encoder `resnet19`)"),
        ("smp:Unet:tu-resnet19", {}, "cannot be built (unknown encoder `tu-resnet19`)"),
        ("smp:Unet:resnet18", {"encoder_weights": "nope"}, "Wrong pretrained weights `nope`"),
        ("smp:UnetPlusPlus:mit_b0", {}, "cannot be built (UnetPlusPlus is not support"),
        ("smp:FPN:tu-vit_tiny_patch16_224", {}, "cannot be built ("),
    ],
)
def test_smp_networks_that_cannot_be(name, options, words):
    pytest.importorskip("segmentation_models_pytorch")
    message = refused(fresh, name, **options)
    assert words in message
    assert len(message) < 400


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    message = refused(fresh, "smp:Unet:resnet18")
    assert message.endswith('needs segmentation-models-pytorch: pip install "instseg[semantic]"')


def test_instances_and_semantic_maps_are_not_mixed_up(tmp_path):
    build_detector(TINY_CARD).save(tmp_path / "instances.safetensors")
    fresh("unet_small").save(tmp_path / "semantic.safetensors")
    message = refused(load_segmenter, tmp_path / "instances.safetensors")
    assert "instances.safetensors holds compact, which predicts instances" in message
    assert message.endswith("give a semantic model, as train-unet writes it")
    assert "demo holds compact" in refused(load_segmenter, "demo")
    assert "coco-v2 holds resnet50_fpn_v2" in refused(load_segmenter, "coco-v2")
    message = refused(load_detector, tmp_path / "semantic.safetensors")
    assert (
        "semantic.safetensors holds unet_small, which gives semantic maps, not instances" in message
    )
    (tmp_path / "weights.pth").write_bytes(b"something")
    assert "not a safetensors file" in refused(load_segmenter, tmp_path / "weights.pth")
    assert "no such weights file" in refused(load_segmenter, tmp_path / "none.safetensors")


def test_normalised_numbers():
    model = fresh("unet_small")
    photo = torch.randint(0, 256, (2, 3, 5, 4), dtype=torch.uint8)
    mean, std = (torch.tensor(PREPROCESSING[key]).view(3, 1, 1) for key in ("mean", "std"))
    expected = (photo / 255 - mean) / std
    torch.testing.assert_close(model.normalise(photo), expected)
    torch.testing.assert_close(model.normalise(photo[0]), expected[0])
    torch.testing.assert_close(model.normalise(photo / 255), expected)


def test_slices_of_any_range_keep_their_units():
    model = fresh("unet_small", preprocessing={**GREY, "mean": [300.0], "std": [150.0]})
    for dtype in (torch.uint16, torch.int16, torch.float32):
        slices = torch.tensor([[[0, 300, 900]]]).to(dtype)
        assert model.normalise(slices).tolist() == [[[-2, 0, 4]]]


def test_colours_become_grey_for_one_channel():
    model = fresh("unet_small", preprocessing=GREY)
    photo = torch.full((3, 2, 2), 51, dtype=torch.uint8)
    grey = model.normalise(photo)
    assert grey.shape == (1, 2, 2)
    torch.testing.assert_close(grey, torch.full((1, 2, 2), (0.2 - 0.5) / 0.25), rtol=0, atol=1e-3)
    torch.testing.assert_close(model.normalise(photo[:1]), grey, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("min_size", "max_size", "size_hw", "expected"),
    [
        (None, None, (480, 640), (480, 640)),
        (240, None, (480, 640), (240, 320)),
        (240, 300, (480, 640), (225, 300)),
        (800, 1333, (480, 640), (800, 1067)),
        (None, 320, (640, 480), (320, 240)),
        (None, 700, (640, 480), (640, 480)),
        (100, 200, (1, 1000), (1, 200)),
    ],
)
def test_sizes_that_the_network_sees(min_size, max_size, size_hw, expected):
    sizes = {"min_size": min_size, "max_size": max_size}
    assert fresh("unet_small", preprocessing=GREY | sizes).input_size(size_hw) == expected
