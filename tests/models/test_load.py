"""Weights of any kind, by name or path."""

import pytest
import torch
from stand_in import TINY_CARD

import instseg
from instseg.core.errors import InputError
from instseg.files.model_file import save_model_file
from instseg.models.load import load_model
from instseg.models.mask_rcnn import Model, build_detector
from instseg.models.segmenters import SegmenterModel, fresh_segmenter, load_segmenter


def refused(function, *args, **options):
    with pytest.raises(InputError) as caught:
        function(*args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_either_kind_by_name_and_by_path(tmp_path):
    assert instseg.load_model is load_model
    assert isinstance(load_model("demo"), Model)
    assert isinstance(load_model("unet-demo"), SegmenterModel)
    build_detector(TINY_CARD).save(tmp_path / "instances.safetensors")
    assert load_model(tmp_path / "instances.safetensors").card == TINY_CARD
    model = fresh_segmenter("unet_small", ("BG", "cat"), (0, 1))
    model.save(tmp_path / "labels.safetensors")
    assert load_model(str(tmp_path / "labels.safetensors")).card == model.card


def test_a_state_dict_needs_its_architecture(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"a": torch.zeros(2)}, path)
    assert "add architecture, one of resnet50_fpn" in refused(load_model, path)
    assert "does not fit" in refused(load_model, path, architecture="resnet50_fpn")
    assert "unknown weights" in refused(load_model, "coco-v3")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(tmp_path, value):
    path = tmp_path / "model.safetensors"
    state = build_detector(TINY_CARD).network.state_dict()
    state["roi_heads.box_head.fc7.bias"][3] = value
    save_model_file(path, state, TINY_CARD)
    message = refused(load_model, path)
    assert message.startswith(
        f"{path}: roi_heads.box_head.fc7.bias holds numbers that are not finite"
    )
    segmenter = fresh_segmenter("unet_small", ("BG", "cat"), (0, 1))
    segmenter.network.head.bias.data[0] = value
    segmenter.save(path)
    assert "head.bias holds numbers that are not finite" in refused(load_segmenter, path)


def test_a_header_that_asks_for_a_terabyte(tmp_path):
    path = tmp_path / "model.safetensors"
    model = build_detector(TINY_CARD)
    model.card.architecture_args["width"] = 10**9
    try:
        model.save(path)
    finally:
        model.card.architecture_args["width"] = 8
    message = refused(load_model, path)
    assert message.startswith(f"{path}: its header cannot be used (architecture_args: 1000000000")


@pytest.mark.parametrize("name", ["demo", "unet-demo"])
def test_a_model_is_one_short_line(name):
    from instseg.predict.predictor import Predictor
    from instseg.predict.segmenter import Segmenter

    model = load_model(name)
    taker = Predictor(model) if name == "demo" else Segmenter(model)
    for each in (model, taker):
        assert "\n" not in repr(each) and len(repr(each)) < 150
        assert "16 classes: person, car" in repr(each)
