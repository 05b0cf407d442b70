"""The registry: names, kinds, and what a model card may ask for."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from stand_in import TINY_CARD

from instseg.core.errors import InputError
from instseg.files.model_card import ModelCard
from instseg.models import registry
from instseg.models.mask_rcnn import build_detector
from instseg.models.segmenters import PREPROCESSING, build_segmenter
from instseg.models.semantic_networks import SMP

UNET_CARD = ModelCard(
    architecture="unet",
    architecture_args={"num_classes": 2, "in_channels": 3, "widths": [4, 8]},
    class_names=("BG", "cat"),
    category_ids=(0, 1),
    preprocessing=PREPROCESSING,
    thresholds={},
    provenance={},
)
SMP_NAMES = [f"smp:{kind}:mobilenet_v2" for kind in SMP if kind not in ("MAnet", "UPerNet")]


def changed(card, *, preprocessing=None, **arguments):
    return replace(
        card,
        architecture_args=card.architecture_args | arguments,
        preprocessing=card.preprocessing | (preprocessing or {}),
    )


def refused(function, *args):
    with pytest.raises(InputError) as caught:
        function(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_name_has_its_kind():
    for name in registry.DETECTORS:
        assert not registry.is_segmenter(name)
    for name in (*registry.SEGMENTERS, "smp:Unet:resnet18"):
        assert registry.is_segmenter(name)
    assert registry.find("yolo") is None
    assert not registry.is_segmenter("yolo")


def test_names_and_weights_are_checked():
    assert registry.segmenter("fcn_resnet50", "imagenet").name == "fcn_resnet50"
    assert "'yolo' is unknown; use one of resnet50_fpn, " in refused(registry.detector, "yolo")
    assert "'compact' is unknown; use" in refused(registry.segmenter, "compact")
    assert "no pretrained encoder" in refused(registry.segmenter, "unet_64", "imagenet")
    assert "are none of none, imagenet" in refused(registry.segmenter, "fcn_resnet50", "coco")


def test_smp_names_are_checked():
    pytest.importorskip("segmentation_models_pytorch")
    for name in ("smp:Unet:resnet18", "smp:Unet:tu-resnet10t", "smp:Unet:tu-resnet10t.c3_in1k"):
        assert registry.segmenter(name, "imagenet").name == name
    assert "unknown encoder `resnet19`" in refused(registry.segmenter, "smp:Unet:resnet19")
    assert "unknown encoder `tu-abc`" in refused(registry.segmenter, "smp:Unet:tu-abc")
    assert "expected smp:NAME:ENCODER" in refused(registry.segmenter, "smp:unet:resnet18")


@pytest.mark.parametrize("name", [*registry.SEGMENTERS, *SMP_NAMES, "smp:UPerNet:mit_b0"])
def test_the_output_layers_are_those_that_change_with_the_classes(name):
    if name.startswith("smp"):
        pytest.importorskip("segmentation_models_pytorch")
    architecture = registry.segmenter(name)
    few, many = (
        architecture.build("none", num_classes=count, in_channels=3).state_dict()
        for count in (2, 3)
    )
    layers = {key.rpartition(".")[0] for key in few if few[key].shape != many[key].shape}
    assert layers == set(architecture.output_rows)


@pytest.mark.parametrize("name", registry.DETECTORS)
def test_the_rows_of_a_detectors_outputs(name):
    architecture = registry.detector(name)
    few, many = (architecture.build(num_classes=count).state_dict() for count in (2, 3))
    rows = {
        key.rpartition(".")[0]: len(many[key]) - len(few[key])
        for key in few
        if few[key].shape != many[key].shape
    }
    assert rows == architecture.output_rows


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_classes": 10**9}, "num_classes"),
        ({"num_classes": -1}, "num_classes"),
        ({"num_classes": 3.5}, "num_classes"),
        ({"num_classes": "many"}, "num_classes"),
        ({"width": 10**7}, "width"),
        ({"mask_head": [8] * 100}, "mask_head"),
        ({"mask_head": [10**6]}, "mask_head"),
        ({"depth": 5}, "depth"),
        ({"num_classes": 5}, "category id"),
        ({"preprocessing": {"min_size": None}}, "min_size"),
        ({"preprocessing": {"mean": [0.5], "std": [1.0]}}, "3 channels, but 1 means"),
    ],
)
def test_cards_that_ask_for_too_much_are_refused_before_anything_is_built(changes, words):
    message = refused(build_detector, changed(TINY_CARD, **changes))
    assert words in message
    assert message.startswith("compact cannot be built as the model card describes it (")
    assert message.endswith("; save the model again")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_classes": 10**9}, "num_classes"),
        ({"widths": [2**20] * 4}, "widths"),
        ({"widths": [8] * 99}, "widths"),
        ({"dropout": 7}, "dropout"),
        ({"in_channels": 1}, "1 channels, but 3 means"),
        ({"in_channels": 10**8}, "in_channels"),
    ],
)
def test_cards_of_segmenters_likewise(changes, words):
    assert words in refused(build_segmenter, changed(UNET_CARD, **changes))


def test_smp_networks_have_options_of_their_own_within_reason():
    pytest.importorskip("segmentation_models_pytorch")
    card = replace(
        UNET_CARD,
        architecture="smp:Unet:resnet18",
        architecture_args={"num_classes": 2, "in_channels": 3, "decoder_channels": [8] * 5},
    )
    assert build_segmenter(card).network(torch.rand(1, 3, 32, 32)).shape == (1, 2, 32, 32)
    assert "<= 2048" in refused(build_segmenter, changed(card, decoder_channels=[10**6] * 5))


def test_cards_that_are_fine():
    assert build_detector(TINY_CARD).card is TINY_CARD
    assert build_segmenter(UNET_CARD).card is UNET_CARD


def test_a_name_is_checked_without_the_library_of_other_names():
    program = (
        "import sys\n"
        "from instseg.models import registry\n"
        "registry.segmenter('unet_small')\n"
        "assert 'segmentation_models_pytorch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
