"""Training samples that are windows of large photos."""

import json

import numpy as np
import pytest
import torch
from coco_documents import annotation, rle, write_json

from instseg.core.errors import ArgumentError
from instseg.core.events import Notice, Warned
from instseg.data.coco import CocoData
from instseg.files.image_writing import write_image
from instseg.training.detection_data import coco_samples, epochs_for_steps, tell_windows
from instseg.training.tile_samples import TileSamples, tiles_of

SIZE_HW = (240, 320)
TILE = 96


def rectangle(x, y, width, height, size_hw=SIZE_HW):
    mask = np.zeros(size_hw, dtype=bool)
    mask[y : y + height, x : x + width] = True
    return {"segmentation": rle(mask), "bbox": [x, y, width, height], "area": width * height}


@pytest.fixture
def data(tmp_path):
    """A large photo with small objects and a crowd, one with a large object, a small, an empty."""
    sizes = [SIZE_HW, SIZE_HW, (64, 80), SIZE_HW]
    places = [
        *((0, 1, (10 + 30 * i, 20 + 17 * i, 12, 16), 0) for i in range(9)),
        (0, 1, (280, 10, 40, 40), 1),
        (1, 2, (40, 40, 200, 150), 0),
        (1, 1, (300, 220, 10, 12), 0),
        (2, 1, (5, 6, 20, 30), 0),
    ]
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for row, (height, width) in enumerate(sizes):
        name = f"{row}.png"
        noise = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
        write_image(tmp_path / "photos" / name, noise)
        images.append({"id": row + 1, "file_name": name, "height": height, "width": width})
    for row, category, place, crowd in places:
        found = rectangle(*place, sizes[row])
        number = len(annotations) + 1
        annotations.append(annotation(number, row + 1, category, *found.values(), crowd))
    document = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "cup"}, {"id": 2, "name": "dog"}],
    }
    return CocoData.read(write_json(tmp_path / "a.json", document), tmp_path / "photos")


def samples_of(data, tile=TILE, augment=(), seed=0, empty_share=None, epochs=3):
    return coco_samples(
        data,
        epochs_of=lambda _: epochs,
        batch_size=4,
        seed=seed,
        repeat_threshold=0,
        empty_share=empty_share,
        augment=list(augment),
        tile=tile,
    )


def keys_of(samples, epoch=0):
    return [key for batch in samples.batches(epoch) for key in batch]


def test_a_sample_is_the_crop_of_the_photo_and_of_its_masks(data):
    samples = samples_of(data)
    truth = [data.objects(row).masks.dense() for row in range(len(data))]
    seen = 0
    for epoch, row, number in keys_of(samples):
        window = samples.windows(epoch, row)[0][number]
        image, target = samples[epoch, row, number]
        assert np.array_equal(image.permute(1, 2, 0).numpy(), data.photo(row)[window])
        if image.shape[1:] == SIZE_HW:
            continue  # whole, in the next test
        crops = truth[row][:, *window]
        areas, before = crops.sum(axis=(1, 2)), truth[row].sum(axis=(1, 2))
        crops = crops[(areas > 0) & (areas >= before / 4)]
        assert np.array_equal(target["masks"].dense().numpy(), crops)
        for (left, top, right, bottom), crop in zip(target["boxes"].tolist(), crops, strict=True):
            assert crop[int(top) : int(bottom), int(left) : int(right)].sum() == crop.sum()
        seen += len(crops)
    assert seen >= 12


def test_an_epoch_shows_every_object_whole_and_large_ones_in_the_whole_photo(data):
    samples = samples_of(data)
    for epoch in range(3):
        shown = {0: set(), 1: set(), 2: set()}
        for key in keys_of(samples, epoch):
            window = samples.windows(epoch, key[1])[0][key[2]]
            boxes = samples[key][1]["boxes"].numpy() + np.array(
                [window[1].start, window[0].start] * 2
            )
            if len(boxes):
                shown[key[1]] |= set(map(tuple, boxes.tolist()))
        for row, found in shown.items():
            assert set(map(tuple, data.objects(row).boxes.tolist())) <= found
    whole = [key for key in keys_of(samples) if samples[key][0].shape[1:] == SIZE_HW]
    assert [row for _, row, _ in whole] == [1]
    target = samples[whole[0]][1]
    assert target["boxes"].tolist() == [[40, 40, 240, 190]]
    assert target["crowds"].tolist() == [[300, 220, 310, 232]]  # too small to be found there


def test_small_photos_come_whole_once_and_a_share_of_windows_is_empty(data):
    samples = samples_of(data, empty_share=0.25)
    keys = keys_of(samples)
    assert [key for key in keys if key[1] == 2] == [(0, 2, 0)]
    assert samples[0, 2, 0][0].shape == (3, 64, 80)
    empty = [key for key in keys if not len(samples[key][1]["boxes"])]
    assert 0 < len(empty) <= 0.25 * len(keys)
    assert all(not len(samples[key][1]["crowds"]) for key in empty)
    none = keys_of(samples_of(data, empty_share=0))
    assert all(len(samples[key][1]["boxes"]) for key in none)


def test_windows_depend_on_the_seed_and_the_epoch_alone(data):
    augment = ["RandomHorizontalFlip", {"CopyPaste": {"p": 1.0}}]
    one, again, other = (samples_of(data, augment=augment, seed=seed) for seed in (0, 0, 1))
    for epoch in (1, 0):
        assert one.batches(epoch) == again.batches(epoch)
    key = keys_of(one, 1)[3]
    (image, target), (image_again, target_again) = again[key], one[key]
    assert torch.equal(image, image_again) and torch.equal(target["boxes"], target_again["boxes"])
    assert one.windows(0, 0) != one.windows(1, 0)
    assert one.windows(0, 0) != other.windows(0, 0)


def test_batches_have_windows_of_one_shape_and_enough_for_the_steps(data):
    samples = samples_of(data)
    for batch in samples.batches(0):
        shapes = {np.sign(h - w) for h, w in (samples[key][0].shape[1:] for key in batch)}
        assert len(shapes) == 1
    assert samples.images == len(keys_of(samples))
    for steps in (1, 17, 40):
        epochs = epochs_for_steps(samples, steps, 2)
        found = sum(-(-len(samples.batches(epoch)) // 2) for epoch in range(epochs))
        assert found >= steps


def test_the_number_of_windows_is_told_and_photos_that_are_all_small_are_warned_of(data):
    events = []
    samples = samples_of(data)
    tell_windows(samples, events.append)
    tell_windows(samples_of(data, tile=400), events.append)
    assert [type(each) for each in events] == [Notice, Warned]
    text = f"{samples.images} windows of 96 px in the first epoch, of 4 photos"
    assert events[0].text.endswith(text)
    assert "no photo is larger than a tile of 400 px" in events[1].text
    assert isinstance(samples, TileSamples)


def test_boxes_that_the_file_lacks_are_those_of_the_masks(data, tmp_path):
    document = json.loads(data.coco_json.read_text())
    for each in document["annotations"]:
        del each["bbox"]
    bare = CocoData.read(write_json(tmp_path / "bare.json", document), data.folder)
    assert samples_of(bare).batches(1) == samples_of(data).batches(1)


def test_tiles_for_losses_cover_the_photo(data):
    photo, objects = data.load(0)
    parts = list(tiles_of(photo, objects, data.crowds(0), TILE))
    assert len(parts) == 3 * 4
    assert all(part.shape == (TILE, TILE, 3) for part, _ in parts)
    assert sum(len(labels.instances) for _, labels in parts) >= len(objects)


def test_tiles_go_with_annotated_photos_alone():
    from instseg.training.finetune_options import FinetuneOptions

    usual = {"weights": "demo", "tile": 512}
    for more in ({"scenes": 8}, {"coco_json": "a", "images": "b", "unlabelled": "c"}):
        with pytest.raises(ArgumentError, match="tile needs coco_json, and does not go with"):
            FinetuneOptions(**usual, **more).check()
    with pytest.raises(ArgumentError, match="tile=32 must"):
        FinetuneOptions("a", "b", weights="demo", tile=32).check()
