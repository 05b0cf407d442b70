"""Batches of labelled and unlabelled photos."""

import itertools
from collections import Counter
from dataclasses import replace

import pytest

from instseg.core.errors import ArgumentError
from instseg.core.events import Notice, PhotoFailed
from instseg.data.augmentation import parse_augmentations
from instseg.data.coco import CocoData
from instseg.data.sampling import Order
from instseg.scenes.scene import SceneConfig, write_scenes
from instseg.training.samples import CocoSamples
from instseg.training.unlabelled import (
    UnlabelledPhoto,
    list_unlabelled,
    mixed_samples,
    read_photos,
    write_photos,
)

PHOTOS = [UnlabelledPhoto(path=f"/{i}.jpg", wide=i < 4) for i in range(7)]


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labelled")
    path = write_scenes(folder, 6, SceneConfig(size_hw=(32, 48), objects=(1, 2)))
    data = CocoData.read(path, folder / "images")
    order = Order(images=6, batch_size=4, seed=3)
    return CocoSamples(data, 10, order, parse_augmentations([]))


def mixed(labelled, photos=PHOTOS, share=0.5, start=None, order=None):
    if order:
        labelled = replace(labelled, order=replace(labelled.order, **order))
    return mixed_samples(labelled, photos, share=share, start=start, scores=(0.3, 0.7))


def test_labelled_photos_alone_and_then_batches_of_a_fixed_ratio(labelled):
    samples = mixed(labelled, share=0.25)
    assert samples.first == 2
    assert samples.batches(0) == labelled.batches(0) and samples.drawn(1) == []
    batches = samples.batches(2)
    assert [len(batch) for batch in batches] == [4, 4]
    assert sorted(row for batch in batches for _, row in batch) == [*range(6), 6, 7]
    assert all(epoch == 2 for batch in batches for epoch, _ in batch)
    assert batches == mixed(labelled, share=0.25).batches(2)


def test_each_photo_of_the_orientation_is_used_before_one_comes_again(labelled):
    samples = mixed(labelled)
    drawn = itertools.chain.from_iterable(map(samples.drawn, range(2, 6)))
    assert set(Counter(drawn).values()) == {6}  # 6 a epoch, all wide: 4 photos
    high = [each for each in PHOTOS if not each.wide]
    assert set(mixed(labelled, high).drawn(2)) == {0, 1, 2}


def test_processes_share_the_photos_of_an_epoch(labelled):
    both = [mixed(labelled, order={"rank": rank, "world_size": 2}) for rank in (0, 1)]
    slots = [
        {row - 6 for batch in samples.batches(2) for _, row in batch if row >= 6} for samples in both
    ]
    assert not slots[0] & slots[1]
    assert sorted(slots[0] | slots[1]) == list(range(len(both[0].drawn(2))))
    assert both[0].drawn(2) == both[1].drawn(2)


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_a_batch_needs_photos_of_both_kinds(labelled, share):
    with pytest.raises(ArgumentError, match="no labelled or no unlabelled photo"):
        mixed(labelled, share=share)


def test_labelled_and_broken_photos_are_left_out_and_told(tmp_path, labelled):
    folder = labelled.data.folder
    (tmp_path / "broken.jpg").write_bytes(b"broken")
    (tmp_path / "link.jpg").symlink_to(folder / "000000.jpg")
    taken = {(folder / image.file_name).resolve() for image in labelled.data.images[:4]}
    told = []
    photos = list_unlabelled([folder, tmp_path], taken, told.append)
    assert [each.path for each in photos] == [str(folder / f"00000{i}.jpg") for i in (4, 5)]
    assert all(each.wide for each in photos)
    notice, failed = told
    assert isinstance(notice, Notice) and "5 of 8 photos are labelled" in notice.text
    assert isinstance(failed, PhotoFailed) and str(tmp_path / "broken.jpg") in failed.text
    write_photos(tmp_path / "photos.json", photos)
    assert read_photos(tmp_path / "photos.json") == photos
    with pytest.raises(ArgumentError, match="no photo that can be read"):
        list_unlabelled([tmp_path], taken)
