"""Training on labelled and unlabelled photos: which photos, in which batches."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import Notice, OnEvent, PhotoFailed, ignore
from instseg.core.instances import Instances
from instseg.core.wording import count
from instseg.data.sampling import Order
from instseg.files.image import read_image
from instseg.files.listing import list_images
from instseg.files.photo_header import photo_size
from instseg.system.atomic import replacing
from instseg.training.epoch_labels import EpochLabels
from instseg.training.own_labels import as_own
from instseg.training.samples import CocoSamples, Sample, to_sample

START_SHARE = 0.2  # of a run, before unlabelled photos are used


class UnlabelledPhoto(msgspec.Struct, frozen=True):
    """A photo without annotations.

    Attributes:
        path: The file, absolute.
        wide: Whether it is wider than high.
    """

    path: str
    wide: bool


def list_unlabelled(
    inputs: Sequence[str | Path], labelled: Collection[Path], on_event: OnEvent = ignore
) -> list[UnlabelledPhoto]:
    """The photos of files, folders, globs and lists that have no annotations.

    Args:
        inputs: See `list_images`.
        labelled: Photos that are left out, with links resolved.
        on_event: Called with the number of photos that are left out, and those that are no photos.

    Raises:
        InputError: There are none.
    """
    listed = list_images(inputs, on_event=on_event)
    paths = [Path(os.path.abspath(path)) for path in listed]  # noqa: PTH100 (keeps links)
    new = [path for path in paths if path.resolve() not in labelled]
    if len(new) < len(paths):
        number = f"{len(paths) - len(new)} of {count(len(paths), 'photo')}"
        on_event(Notice(text=f"unlabelled photos: {number} are labelled, and left out"))
    found = []
    for path in new:
        size = photo_size(path.parent, path.name)
        if size is None:
            text = f"{path}: is missing or cannot be read, and is left out"
            on_event(PhotoFailed(name=str(path), text=text))
        else:
            found.append(UnlabelledPhoto(path=str(path), wide=size[0] > size[1]))
    if not found:
        raise ArgumentError("{unlabelled} has no photo that can be read and has no annotations")
    return found


def write_photos(path: Path, photos: Sequence[UnlabelledPhoto]) -> None:
    """Store the photos, so that a resumed run has the same ones."""
    with replacing(path) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(photos)))


def read_photos(path: Path) -> list[UnlabelledPhoto]:
    """The photos that `write_photos` stored.

    Raises:
        InputError: The file is damaged.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[UnlabelledPhoto])
    except (OSError, UnicodeError, msgspec.MsgspecError) as error:
        raise InputError(f"{path}: cannot be read ({error}); start a new run") from error


@dataclass(frozen=True, kw_only=True)
class MixedSamples(Dataset[Sample]):
    """Labelled photos, and unlabelled ones with pseudo-labels.

    Each batch has a fixed number of unlabelled photos, drawn at random from those of its
    orientation until all have been used, and then again. The first epochs have labelled photos
    only. Keys are as those of `CocoSamples`; rows beyond its photos are slots for unlabelled ones.

    Args:
        labelled: The labelled photos, in batches of full size.
        order: Their order in mixed batches, which have fewer of them.
        photos: The unlabelled photos.
        labels: Pseudo-labels of those in the current epoch.
        first: The first epoch, from 0, with unlabelled photos.
        per_batch: Unlabelled photos of each batch.
    """

    labelled: CocoSamples
    order: Order
    photos: Sequence[UnlabelledPhoto]
    labels: EpochLabels
    first: int
    per_batch: int

    @property
    def epochs(self) -> int:
        """Number of epochs."""
        return self.labelled.epochs

    def batches(self, epoch: int) -> list[list[tuple[int, int]]]:
        """Epoch and rows of every batch of an epoch."""
        if epoch < self.first:
            return self.labelled.batches(epoch)
        found = []
        for number, rows in enumerate(self.order.batches(epoch)):
            begin = (number * self.order.world_size + self.order.rank) * self.per_batch
            slots = range(begin, begin + self.per_batch)
            keys = [*rows.tolist(), *(self.order.images + slot for slot in slots)]
            found.append([(epoch, key) for key in keys])
        return found

    def drawn(self, epoch: int) -> list[int]:
        """The unlabelled photo for each slot of an epoch, of all processes."""
        if epoch < self.first:
            return []
        wide = self._wide_slots(epoch)
        rows = np.zeros(len(wide), dtype=np.int64)
        for each in (False, True):
            slots = np.flatnonzero(wide == each)
            rows[slots] = self._cycled(each, epoch * len(slots), len(slots))
        return rows.tolist()

    def name_of(self, key: tuple[int, int]) -> str:
        """Name of a photo for messages."""
        slot = key[1] - self.order.images
        if slot < 0:
            return self.labelled.name_of(key)
        return self.photos[self.labels.photo_in(slot)].path

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        slot = key[1] - self.order.images
        if slot < 0:
            return self.labelled[key]
        data = self.labelled.data
        number = self.labels.photo_in(slot)
        photo = read_image(self.photos[number].path)
        found = self.labels.of(number, (photo.shape[0], photo.shape[1]), data.class_names)
        seed = (self.order.seed, *key)

        def other() -> tuple[NDArray[np.uint8], Instances]:
            return self.labelled.random_photo(seed)

        image, instances, crowds = self.labelled.augmentation(
            photo, found.objects, found.ignored, seed=seed, other=other
        )
        tensor, target = to_sample(image, instances, data.class_names, crowds)
        return tensor, as_own(target)

    def _wide_slots(self, epoch: int) -> NDArray[np.bool_]:
        """Whether the labelled photos beside each slot are wide."""
        ranks = range(self.order.world_size)
        batches = [replace(self.order, rank=rank).batches(epoch) for rank in ranks]
        images = self.labelled.data.images
        firsts = [images[rows[0]] for each in zip(*batches, strict=True) for rows in each]
        return np.repeat([image.width > image.height for image in firsts], self.per_batch)

    def _cycled(self, wide: bool, begin: int, number: int) -> NDArray[np.int64]:
        """A part of an endless row of shuffled photos of an orientation, or of all."""
        members = np.flatnonzero([photo.wide == wide for photo in self.photos])
        if not len(members):
            members = np.arange(len(self.photos))
        at = np.arange(begin, begin + number)
        rounds = {
            int(k): np.random.default_rng([self.order.seed, int(k), wide]).permutation(members)
            for k in np.unique(at // len(members))
        }
        return np.array([rounds[i // len(members)][i % len(members)] for i in at.tolist()], int)


def mixed_samples(
    labelled: CocoSamples,
    photos: Sequence[UnlabelledPhoto],
    *,
    share: float,
    start: int | None,
    scores: tuple[float, float],
) -> MixedSamples:
    """Batches of labelled and unlabelled photos.

    Args:
        labelled: The labelled photos.
        photos: The unlabelled photos.
        share: Share of unlabelled photos in a batch, above 0 and below 1.
        start: Epochs before, at least 1; None for a fifth of the run.
        scores: See `EpochLabels`.
    """
    batch_size = labelled.order.batch_size
    per_batch = round(batch_size * share)
    if not 0 < per_batch < batch_size:
        raise ArgumentError(
            f"a batch of {batch_size} has no labelled or no unlabelled photo with this "
            "{unlabelled_share}; change it or {batch_size}",
            unlabelled_share=share,
        )
    first = max(1, round(labelled.epochs * START_SHARE)) if start is None else start
    return MixedSamples(
        labelled=labelled,
        order=replace(labelled.order, batch_size=batch_size - per_batch),
        photos=photos,
        labels=EpochLabels(scores=scores),
        first=first,
        per_batch=per_batch,
    )
