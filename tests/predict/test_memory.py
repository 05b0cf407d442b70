"""What is done where memory is short."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from comparison_files import save_unet
from PIL import Image
from stand_in import TINY_CARD, stand_in_model

from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import Event, PhotoFailed
from instseg.core.instances import Instances
from instseg.predict.folder import predict_folder
from instseg.predict.memory import CAUTION
from instseg.predict.photos import name_photos
from instseg.predict.predictor import Predictor
from instseg.predict.segmenter import Segmenter
from instseg.scenes.scene import draw_scene


def predictor_with(memory: int | str | None = None, **options: object) -> Predictor:
    return Predictor(
        stand_in_model(TINY_CARD), device="cpu", score_threshold=0.3, memory=memory, **options
    )


def tight(photos: float, size_hw: tuple[int, int] = (240, 320), **options: object) -> Predictor:
    """A predictor whose limit leaves room for this many photos."""
    plan = predictor_with(**options).plan
    need = plan.need(size_hw)
    peak = plan.base_bytes + photos * (need.held + max(need.extra)) + 30_000_000
    return predictor_with(int(CAUTION * peak), **options)


def same(one: Instances, other: Instances) -> bool:
    return (
        len(one) == len(other)
        and np.allclose(one.boxes, other.boxes, atol=1e-2)
        and one.masks.to_rle() == other.masks.to_rle()
    )


def test_little_memory_makes_batches_smaller_and_changes_no_result() -> None:
    images = [draw_scene(seed).image[:240, :320] for seed in range(5)]
    size = images[0].shape[:2]
    roomy, short = predictor_with("100GB", batch_size=4), tight(1, batch_size=4)
    assert roomy.plan.batch(size, 4) == 4
    assert short.plan.batch(size, 4) < 4
    expected = [roomy(image) for image in images]
    for found in (short.predict_batch(images), list(short.stream(images))):
        assert all(map(same, found, expected))


def test_fewer_tiles_go_through_the_network_together() -> None:
    image = np.asarray(Image.fromarray(draw_scene(0).image).resize((640, 480)))
    options = {"tile": 200, "batch_size": 8}
    roomy, short = predictor_with("100GB", **options), tight(0.1, **options)
    assert roomy.plan.batch_of_tiles((480, 640)) == 8
    assert short.plan.batch_of_tiles((480, 640)) < 8
    assert same(short(image), roomy(image))


def test_a_photo_that_does_not_fit_fails_in_one_line_and_the_others_are_done(
    tmp_path: Path,
) -> None:
    for name, size in {"a": (320, 240), "huge": (9000, 9000), "z": (320, 240)}.items():
        Image.new("RGB", size, "olive").save(tmp_path / f"{name}.png")
    predictor = tight(2)
    events: list[Event] = []
    photos = name_photos(sorted(tmp_path.glob("*.png")))
    done = predict_folder(predictor, photos, tmp_path / "out", on_event=events.append)
    (failure,) = [event for event in events if isinstance(event, PhotoFailed)]
    assert (done.done, done.failed) == (2, ("huge.png",))
    assert failure.text.startswith(f"{tmp_path / 'huge.png'}: needs ")
    assert failure.text.endswith(", make the photo smaller or raise the memory limit")
    with pytest.raises(InputError, match=r"huge\.png: needs .* of memory, and the limit is "):
        predictor(tmp_path / "huge.png")


def test_a_sliver_needs_little() -> None:
    plan = predictor_with().plan
    assert plan.fits(plan.need((1, 600_000)))
    assert sum(plan.need((1, 600_000)).extra) < 200_000_000


def test_a_limit_that_is_no_size_is_refused() -> None:
    with pytest.raises(ArgumentError, match="memory='much' must be a size such as 4GB"):
        predictor_with("much")


def test_webp_and_mirrored_photos_need_more(tmp_path: Path) -> None:
    image = Image.new("RGB", (320, 240), "olive")
    for name in ("a.jpg", "a.webp"):
        image.save(tmp_path / name)
    plan, flipping = predictor_with().plan, predictor_with(flip=True).plan
    jpeg, webp = (plan.need_of_file(tmp_path / name) for name in ("a.jpg", "a.webp"))
    assert webp.extra[0] > 2 * jpeg.extra[0] > 0
    assert flipping.network_bytes((240, 320)) > plan.network_bytes((240, 320))


def test_a_semantic_network_refuses_a_photo_that_does_not_fit(tmp_path: Path) -> None:
    Image.new("RGB", (3000, 3000), "olive").save(tmp_path / "huge.png")
    weights = save_unet(tmp_path / "unet.safetensors", ("BG", "cup"))
    roomy = Segmenter(weights, device="cpu")
    short = Segmenter(weights, device="cpu")
    short.plan = replace(short.plan, limit_bytes=short.plan.base_bytes * CAUTION + 1e8)
    small = np.zeros((40, 60, 3), np.uint8)
    np.testing.assert_array_equal(next(short.stream([small])), roomy(small))
    with pytest.raises(InputError, match=r"huge\.png: needs .* of memory, and the limit is "):
        short(tmp_path / "huge.png")
