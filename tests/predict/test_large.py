"""Photos that are read in windows, and predicted in tiles."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from stand_in import TINY_CARD, stand_in_model

from instseg.core.errors import InputError
from instseg.core.events import Notice, Warned
from instseg.core.instances import Instances, Masks
from instseg.files.windows import TiffWindows
from instseg.predict import large, look
from instseg.predict.detector_memory import DetectorPlan
from instseg.predict.folder import predict_folder
from instseg.predict.large import need_of_photo, read_photo
from instseg.predict.large_pictures import reduced
from instseg.predict.photos import name_photos
from instseg.predict.pictures import Pictures
from instseg.predict.predictor import Predictor
from instseg.scenes.scene import SceneConfig, draw_scene

SIZE_HW = (200, 600)
SCENE = draw_scene(2, SceneConfig(size_hw=SIZE_HW, objects=(20, 25))).image
TILES = {"tile": (64, 64), "photometric": "rgb", "compression": "zlib"}


@pytest.fixture(scope="module")
def model():
    return stand_in_model(TINY_CARD)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    tifffile.imwrite(tmp_path / "photo.tif", SCENE, **TILES)
    return tmp_path / "photo.tif"


@pytest.fixture
def shrinks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos are shrunk by 2 where they are looked at as a whole."""
    monkeypatch.setattr("instseg.predict.detector_memory.PREVIEW_PX", 250)


def predictor_of(model, **options) -> Predictor:
    settings = {"device": "cpu", "precision": "fp32", "tile": 128, "score_threshold": 0.3}
    return Predictor(model, **{**settings, "max_detections": 15, **options})


def same(one: Instances, other: Instances) -> bool:
    return (
        len(one) == len(other) > 10
        and np.allclose(one.boxes, other.boxes, atol=1e-2)
        and np.allclose(one.scores, other.scores, atol=1e-4)
        and (one.masks.dense() != other.masks.dense()).sum(axis=(1, 2)).max() <= 2
    )


@pytest.mark.usefixtures("shrinks")
@pytest.mark.parametrize("options", [{}, {"batch_size": 4}, {"flip": True}])
def test_windows_give_the_instances_of_the_whole_photo(model, photo, options) -> None:
    predictor = predictor_of(model, **options)
    assert predictor.plan.preview_factor(SIZE_HW) == 2
    assert same(predictor(TiffWindows(photo)), predictor(SCENE))


def test_large_files_are_read_in_windows(model, photo, monkeypatch) -> None:
    predictor = predictor_of(model)
    assert isinstance(read_photo(photo, predictor.plan), np.ndarray)
    monkeypatch.setattr(large, "LARGE_PIXELS", 100_000)
    assert isinstance(read_photo(photo, predictor.plan), TiffWindows)
    assert same(predictor(photo), predictor(SCENE))
    untiled = predictor_of(model, tile=None)
    assert isinstance(read_photo(photo, untiled.plan), np.ndarray)
    turned = photo.with_name("turned.tif")
    tifffile.imwrite(turned, SCENE, **TILES, extratags=[(274, "H", 1, 6, True)])
    assert isinstance(read_photo(turned, predictor.plan), np.ndarray)


def plan_of(limit_bytes: float, tile: int | None) -> DetectorPlan:
    return DetectorPlan(
        limit_bytes=limit_bytes,
        base_bytes=500_000_000,
        architecture="compact",
        min_size=320,
        max_size=544,
        max_detections=100,
        engine="torch",
        precision="fp32",
        tile=tile,
    )


def test_30000_by_50000_pixels_need_tiles_and_less_than_2_gb(tmp_path: Path) -> None:
    path = tmp_path / "slide.tif"
    first = np.zeros((1024, 1024, 3), np.uint8)
    options = {**TILES, "tile": (1024, 1024), "compression": None, "bigtiff": True}
    blank = iter([first.tobytes(), *[b""] * (30 * 49 - 1)])  # tiles that are not stored
    tifffile.imwrite(path, blank, shape=(30_000, 50_000, 3), dtype=np.uint8, **options)
    windows = read_photo(path, plan_of(2e9, 1024), pictures=True)
    assert isinstance(windows, TiffWindows)
    assert windows.size_hw == (30_000, 50_000)
    assert not windows.read(np.s_[29_000:30_000, 49_000:50_000]).any()
    need = need_of_photo(path, plan_of(2e9, 1024), pictures=True)
    assert need.held + max(need.extra) < 1e9
    with pytest.raises(InputError, match=r"slide\.tif: needs .* GB .* is 2\.0 GB; use --tile 1024"):
        read_photo(path, plan_of(2e9, None), pictures=True)
    with pytest.raises(InputError, match=r"slide\.tif: needs .*the limit is 600 MB"):
        read_photo(path, plan_of(6e8, 1024), pictures=True)


def test_other_formats_are_to_be_saved_as_tiff(tmp_path: Path) -> None:
    Image.new("L", (12_000, 9_000)).save(tmp_path / "huge.png", compress_level=1)
    with pytest.raises(InputError, match=r"huge\.png: .* save it as a tiled TIFF and use --tile"):
        read_photo(tmp_path / "huge.png", plan_of(7e8, 1024))


def test_windows_need_tiles(model, photo) -> None:
    with pytest.raises(InputError, match=r"photo\.tif: windows are for tile, such as tile=1024"):
        predictor_of(model, tile=None)(TiffWindows(photo))


@pytest.mark.usefixtures("shrinks")
def test_masks_too_large_for_the_memory_are_left_out_and_told(model, photo, monkeypatch) -> None:
    told = []
    predictor = predictor_of(model, on_event=told.append)

    def large_ones() -> int:
        boxes = predictor(TiffWindows(photo)).boxes
        return int(((boxes[:, 2:] - boxes[:, :2]).max(axis=1) > 128).sum())

    before = large_ones()
    assert not told
    monkeypatch.setattr(look, "WHOLE_MASKS", 4000)
    assert large_ones() < before
    assert any(isinstance(event, Warned) and "left out" in event.text for event in told)


@pytest.mark.usefixtures("shrinks")
def test_files_of_a_photo_in_windows(model, photo, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(large, "LARGE_PIXELS", 100_000)
    predictor = predictor_of(model, max_detections=2)
    told = []
    done = predict_folder(
        predictor,
        name_photos([photo]),
        tmp_path / "out",
        pictures=Pictures(semantic_map=True, crops=True),
        geojson=True,
        report=True,
        on_event=told.append,
    )
    assert done.done == 1
    assert not done.failed
    found = predictor(SCENE)
    document = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert document["images"][0]["width"] == 600
    assert len(document["annotations"]) == len(found)
    assert Image.open(tmp_path / "out" / "photo.png").size == (300, 100)
    assert Image.open(tmp_path / "out" / "labels" / "photo.png").size == (300, 100)
    crops = sorted((tmp_path / "out" / "crops" / "photo").iterdir())
    left, top, right, bottom = found.masks.boxes_xyxy()[0].astype(int).tolist()
    first = np.asarray(Image.open(crops[0]))
    np.testing.assert_array_equal(first[..., :3], SCENE[top:bottom, left:right])
    features = json.loads((tmp_path / "out" / "photo.geojson").read_text())["features"]
    assert len(features) == len(found)
    texts = [event.text for event in told if isinstance(event, Notice)]
    assert "photo.tif: its pictures have 1/2 of the photo's width and height" in texts
    assert "GeoJSON of photos without map coordinates is written in pixels" in texts


def test_reduced_masks_keep_every_object() -> None:
    rng = np.random.default_rng(1)
    dense = np.zeros((12, 61, 83), dtype=bool)
    for mask in dense:
        y, x = rng.integers(0, 55), rng.integers(0, 75)
        mask[y : y + rng.integers(1, 20), x : x + rng.integers(1, 20)] = True
    masks = Masks.from_dense(dense)
    found = Instances(
        boxes=masks.boxes_xyxy(),
        class_ids=[1] * 12,
        scores=[1] * 12,
        masks=masks,
        class_names=("BG", "cat"),
    )
    small = reduced(found, 8)
    padded = np.pad(dense, ((0, 0), (0, 3), (0, 5)))
    expected = padded.reshape(12, 8, 8, 11, 8).any(axis=(2, 4))
    np.testing.assert_array_equal(small.masks.dense(), expected)
    np.testing.assert_allclose(small.boxes, found.boxes / 8)
