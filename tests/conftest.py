"""What every test may use."""

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: tests run side by side
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
from hypothesis import settings

PHOTOS = Path(__file__).resolve().parents[2] / "shared" / "coco"

# Examples are the same in every run, and no test depends on the clock.
# `pytest --hypothesis-profile explore` looks for new ones.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("repeatable")


def pytest_report_header() -> str:
    seen = PHOTOS if PHOTOS.is_dir() else f"drawn stand-ins only, {PHOTOS} does not exist"
    return f"COCO photos: {seen}"


@pytest.fixture(scope="session")
def drawn_coco_dir(tmp_path_factory) -> Path:
    """Drawn scenes in the folders and layout of the real COCO photos."""
    from coco_like import write_coco_like

    return write_coco_like(tmp_path_factory.mktemp("coco"))


@pytest.fixture(scope="module", params=["drawn", "photos"] if PHOTOS.is_dir() else ["drawn"])
def coco_dir(request) -> Path:
    """A test that asks for this runs twice where the real COCO photos are: with drawn ones too.

    `train2017`, `val2017`: photos; `annotations`; `golden`: annotations and results for them, with
    pycocotools' numbers.
    """
    return PHOTOS if request.param == "photos" else request.getfixturevalue("drawn_coco_dir")


@pytest.fixture(scope="session")
def real_or_drawn_coco_dir(request) -> Path:
    """The real COCO photos where they are, else the drawn ones: for tests that take long."""
    return PHOTOS if PHOTOS.is_dir() else request.getfixturevalue("drawn_coco_dir")


@pytest.fixture(scope="session")
def gpu():
    """The GPU, for tests marked `cuda`, without TF32; INSTSEG_GPU=cpu tries them without a GPU."""
    import torch

    name = os.environ.get("INSTSEG_GPU", "cuda")
    if name == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU with CUDA")
    torch.backends.cudnn.allow_tf32 = False
    return torch.device(name)


@pytest.fixture(scope="session")
def photos_dir() -> Path:
    """The real COCO photos, for numbers that were measured on them."""
    if not PHOTOS.is_dir():
        pytest.skip(f"the real COCO photos are not in {PHOTOS}")
    return PHOTOS


@pytest.fixture(scope="session")
def shared_cases() -> Path:
    """Small inputs in the shape of bug reports, where the developers' folder holds them."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "cases"
    if not folder.is_dir():
        pytest.skip("the small cases are not here")
    return folder


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory) -> Path:
    """A model file of two classes that finds something, anything, in every photo."""
    import torch

    from instseg.files.model_card import ModelCard
    from instseg.models.mask_rcnn import build_detector
    from instseg.models.registry import LARGE

    torch.manual_seed(0)
    card = ModelCard(
        architecture="compact",
        architecture_args={
            "num_classes": 3,
            "width": 8,
            "channels": 8,
            "mask_channels": 8,
            "head_channels": 16,
            "mask_head": [8],
        },
        class_names=("BG", "cat", "dog"),
        category_ids=(0, 17, 18),
        preprocessing={**LARGE, "min_size": 64, "max_size": 96},
        thresholds={},
        provenance={"made by": "a test"},
    )
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    model = build_detector(card)
    model.network.roi_heads.mask_predictor.logits.bias.data.fill_(2.0)  # no empty masks
    model.save(path)
    return path


@pytest.fixture(scope="session")
def demo_graph():
    """The demo weights, limits with a threshold of 0.3, and their graph; not to be changed."""
    import torch

    from instseg.engines.build import DetectorLimits, detector_graph
    from instseg.models.load import load_model

    model = load_model("demo")
    thresholds = torch.full((len(model.card.class_names),), 0.3)
    limits = DetectorLimits(score_thresholds=thresholds, max_detections=100)
    return model, limits, detector_graph(model, limits)


@pytest.fixture(scope="module")
def chromium():
    """A browser; tests that ask for it are skipped where there is none."""
    from browser import browser

    with browser() as launched:
        yield launched


@pytest.fixture
def page(chromium):
    """A page without network whose errors fail the test: `open_file(page, path)`."""
    from browser import fresh_page

    with fresh_page(chromium) as opened:
        yield opened
