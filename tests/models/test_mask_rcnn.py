"""The architectures against torchvision's own, and how weights are read and written.

The peer is built by torchvision's own builder with its COCO weights setting; stand-in weights lie
where torch's hub cache keeps the published file.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from stand_in import TINY_CARD, published_layout, stand_in_model
from torch import nn
from torchvision.models.detection import (
    MaskRCNN_ResNet50_FPN_V2_Weights,
    MaskRCNN_ResNet50_FPN_Weights,
    maskrcnn_resnet50_fpn,
    maskrcnn_resnet50_fpn_v2,
)
from torchvision.ops import FrozenBatchNorm2d

from instseg.core.classes import COCO_CATEGORY_IDS, COCO_CLASSES
from instseg.core.errors import InputError
from instseg.core.instances import Instances, Masks
from instseg.files.image import read_image
from instseg.files.model_card import ModelCard
from instseg.files.model_file import save_model_file
from instseg.models.mask_rcnn import Model, build_detector, coco_card, load_detector
from instseg.predict.paste import grow_boxes
from instseg.predict.predictor import Predictor
from instseg.scenes.scene import draw_scene

PEERS = {
    "resnet50_fpn": (maskrcnn_resnet50_fpn, MaskRCNN_ResNet50_FPN_Weights.COCO_V1),
    "resnet50_fpn_v2": (maskrcnn_resnet50_fpn_v2, MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1),
}
BOX_PX = 1e-4  # and three roundings of a float32
SCORE = 1e-4
MASK_PIXELS = 5  # of one mask


@dataclass
class StandIn:
    """Weights in a file, and torchvision's network with them."""

    architecture: str
    path: Path
    peer: nn.Module
    categories: list[str]  # name of each output

    def model(self) -> Model:
        return load_detector(self.path, architecture=self.architecture)

    @torch.inference_mode()
    def reference(self, image) -> tuple[Instances, list[str]]:
        """What torchvision finds, without "N/A", and the names of all that it found."""
        (found,) = self.peer([torch.from_numpy(image).permute(2, 0, 1) / 255])
        names = [self.categories[label] for label in found["labels"]]
        rows = [i for i, name in enumerate(names) if name != "N/A"][:100]
        masks = Masks.from_dense((found["masks"][rows, 0] >= 0.5).numpy())
        instances = Instances(
            boxes=found["boxes"][rows].numpy(),
            class_ids=[COCO_CLASSES.index(names[i]) for i in rows],
            scores=found["scores"][rows].numpy(),
            masks=masks,
            class_names=COCO_CLASSES,
        )
        return instances, names


@pytest.fixture(scope="module", params=PEERS)
def stand_in(request, tmp_path_factory):
    builder, weights = PEERS[request.param]
    home = tmp_path_factory.mktemp("torch_home")
    path = home / "hub" / "checkpoints" / Path(weights.url).name
    path.parent.mkdir(parents=True)
    state = stand_in_model(coco_card(request.param)).network.state_dict()
    torch.save(published_layout(state) if request.param == "resnet50_fpn" else state, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(home))
        peer = builder(weights=weights, progress=False, box_detections_per_img=150).eval()
    yield StandIn(request.param, path, peer, weights.meta["categories"])
    path.unlink()  # pytest keeps its folders, and this is 180 MB


def make_quick(patch, network):
    """A smaller input and fewer proposals."""
    patch.setattr(network.transform, "min_size", (320,))
    patch.setattr(network.transform, "max_size", 533)
    patch.setattr(network.rpn, "_post_nms_top_n", {"training": 2000, "testing": 300})


@pytest.fixture
def quick(stand_in, monkeypatch):
    """The peer, and our model, both quick."""
    model = stand_in.model()
    make_quick(monkeypatch, stand_in.peer)
    make_quick(monkeypatch, model.network)
    return stand_in, model


def predict(model, image, **options):
    options = {"precision": "fp32", "device": "cpu", "score_threshold": 0.05, **options}
    return Predictor(model, **options)(image)


def photo(folder, number):
    return read_image(sorted((folder / "val2017").glob("*.jpg"))[number])


def matched(found, reference):
    """The reference in the order of `found`: near ties of scores may change places."""
    gaps = np.abs(found.boxes[:, None] - reference.boxes[None]).max(axis=2)
    gaps[found.class_ids[:, None] != reference.class_ids[None]] = np.inf
    return reference[gaps.argmin(axis=1)]


def whole_pixels(instances):
    """The pixels that a mask is pasted to."""
    return grow_boxes(torch.tensor(instances.boxes), 30 / 28).int().numpy()


def assert_parity(found, reference):
    assert len(found) == len(reference)
    reference = matched(found, reference)
    # of two boxes that overlap and tie within rounding, NMS may keep the other one
    same = np.abs(found.boxes - reference.boxes).max(axis=1) < 1
    assert same.mean() >= 0.98
    found, reference = found[same], reference[same]
    np.testing.assert_allclose(found.boxes, reference.boxes, rtol=3e-7, atol=BOX_PX)
    np.testing.assert_allclose(found.scores, reference.scores, rtol=0, atol=SCORE)
    changed = (found.masks.dense() != reference.masks.dense()).sum(axis=(1, 2))
    same_place = (whole_pixels(found) == whole_pixels(reference)).all(axis=1)
    assert changed[same_place].max(initial=0) <= MASK_PIXELS
    # a box within rounding of a whole pixel may be pasted a pixel wider, its ragged mask stretched
    assert (~same_place).mean() <= 0.03
    for i in np.flatnonzero(~same_place):
        assert found.masks[int(i)].iou(reference.masks[int(i)])[0, 0] > 0.8


def test_equal_to_torchvision(quick, coco_dir):
    stand_in, model = quick
    image = photo(coco_dir, 0)
    reference, names = stand_in.reference(image)
    found = predict(model, image)
    assert_parity(found, reference)
    # the comparison means something
    assert len(found) == 100
    assert "N/A" in names
    assert len(set(found.names)) > 10
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    assert 20 < np.median(sides) < np.quantile(sides, 0.95) < 400
    assert 0.2 < (found.masks.areas() / sides.prod(axis=1)).mean() < 0.8


def test_equal_to_torchvision_at_full_size(stand_in, real_or_drawn_coco_dir):
    image = photo(real_or_drawn_coco_dir, 1)
    assert_parity(predict(stand_in.model(), image), stand_in.reference(image)[0])


@pytest.mark.parametrize("stand_in", ["resnet50_fpn"], indirect=True)
def test_parity_notices_another_eps(quick):
    """What rebuilding `resnet50_fpn` with `weights=None` would do."""
    stand_in, model = quick
    frozen = [m for m in model.network.modules() if isinstance(m, FrozenBatchNorm2d)]
    assert {module.eps for module in frozen} == {0.0}
    for module in frozen:
        module.eps = 1e-5
    image = draw_scene(1).image
    reference, _ = stand_in.reference(image)
    found = predict(model, image)
    with pytest.raises(AssertionError):
        assert_parity(found, reference)
    reference = matched(found, reference)
    assert np.median(np.abs(found.boxes - reference.boxes).max(axis=1)) > 100 * BOX_PX


def test_outputs_of_the_coco_heads():
    categories = MaskRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
    for card in (
        coco_card("resnet50_fpn"),
        ModelCard.from_json(coco_card("resnet50_fpn_v2").to_json()),
    ):
        ids = Model(network=nn.Identity(), card=card).class_id_of_output.tolist()
        assert len(ids) == len(categories) == 91
        assert [COCO_CLASSES[i] for i in ids] == [
            name if name in COCO_CLASSES else "BG" for name in categories
        ]
        assert [ids[number] for number in COCO_CATEGORY_IDS] == list(range(81))


def test_outputs_of_own_classes_are_the_class_ids():
    assert build_detector(TINY_CARD).class_id_of_output.tolist() == [0, 1, 2, 3]


def equal(one, other):
    return (
        np.array_equal(one.boxes, other.boxes)
        and np.array_equal(one.scores, other.scores)
        and np.array_equal(one.masks.dense(), other.masks.dense())
    )


def test_model_file_gives_the_same_model(tmp_path):
    model = stand_in_model(TINY_CARD)
    image = draw_scene(1).image
    model.save(tmp_path / "exact.safetensors")
    model.save(tmp_path / "half.safetensors", dtype=torch.float16)
    exact = load_detector(tmp_path / "exact.safetensors", architecture="compact")
    half = load_detector(tmp_path / "half.safetensors")
    assert exact.card == half.card == TINY_CARD
    assert not exact.network.training
    assert equal(predict(exact, image), predict(model, image))
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("exact", "half")]
    assert sizes[1] < 0.7 * sizes[0]
    found, rough = predict(model, image), predict(half, image, max_detections=10)
    assert np.abs(found.boxes[:, None] - rough.boxes).max(axis=2).min(axis=0).max() < 1


def assert_refused(words, path, **options):
    with pytest.raises(InputError, match=words) as caught:
        load_detector(path, **options)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    assert len(message.replace(str(path), "")) < 300


def test_pth_needs_an_architecture(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"a": torch.zeros(2)}, path)
    assert_refused("add architecture, one of resnet50_fpn, resnet50_fpn_v2$", path)
    path.write_text("no weights")
    assert_refused("not a file of torch weights|holds code or other objects", path)


@pytest.mark.parametrize("architecture", ["resnet50_fpn", "resnet50_fpn_v2"])
def test_pth_of_something_else(tmp_path, architecture):
    path = tmp_path / "weights.pth"
    torch.save({"a": torch.zeros(2)}, path)
    assert_refused("does not fit .* is missing; check", path, architecture=architecture)


def test_pth_of_the_other_architecture(stand_in):
    (other,) = set(PEERS) - {stand_in.architecture}
    assert_refused("does not fit .* check architecture", stand_in.path, architecture=other)


def test_unknown_architecture(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"a": torch.zeros(2)}, path)
    with pytest.raises(InputError, match="'yolo' is unknown; use one of resnet50_fpn, "):
        load_detector(path, architecture="yolo")


def test_model_file_knows_its_architecture(tmp_path):
    path = tmp_path / "model.safetensors"
    build_detector(TINY_CARD).save(path)
    words = "holds compact, not resnet50_fpn; leave architecture out"
    assert_refused(words, path, architecture="resnet50_fpn")


NAME = "roi_heads.box_head.fc7.bias"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop(NAME), f"{NAME} is missing"),
        (lambda state: state.update(more=torch.zeros(1)), "more is unknown"),
        (lambda state: state.update({NAME: torch.zeros(3)}), rf"mismatch for {NAME}.*\[3\]"),
    ],
)
def test_tensors_that_do_not_fit(tmp_path, change, words):
    state = dict(build_detector(TINY_CARD).network.state_dict())
    change(state)
    path = tmp_path / "model.safetensors"
    save_model_file(path, state, TINY_CARD)
    assert_refused(f"does not fit the architecture: .*{words}", path)
