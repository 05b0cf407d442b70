"""`Predictor`: photos in, `Instances` out."""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from operator import length_hint
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from instseg.core.errors import ArgumentError, InputError, require_between
from instseg.core.events import OnEvent, Warned, ignore
from instseg.core.instances import Instances
from instseg.core.options import checks_types
from instseg.core.wording import count, split_names
from instseg.files.video import Video
from instseg.files.video_source import is_video
from instseg.files.windows import TiffWindows
from instseg.models.detections import Choice, Glance
from instseg.models.inference import Detector
from instseg.models.mask_rcnn import Model
from instseg.predict.detector_memory import DetectorPlan
from instseg.predict.engine import Detects, Loaded, RunOptions, choose_detector
from instseg.predict.images import ImageLike, as_arrays, name_of, shortened
from instseg.predict.large import Photo, as_photo, need_of_image
from instseg.predict.look import Look
from instseg.predict.matterport import as_result, described, warn_of_other_classes
from instseg.predict.memory import memory_plan
from instseg.predict.pipeline import look_within, raised
from instseg.predict.tiled import predict_tiled
from instseg.predict.tiles import drop_repeats, join_flipped
from instseg.system.threads import Workers, workers_for

MANY = 1_000_000  # photos, of an iterator without a length
PRESETS = {"default": 1.0, "fast": 0.6}  # share of the architecture's input size
DEFAULT_SCORE = 0.5  # minimum score of classes without a stored threshold
IMPORTED_IN = os.getpid()  # another number after a fork


class Predictor:
    """Finds the instances in photos.

    Several threads may use one predictor. It can be pickled for other processes. After a fork
    it runs on the CPU, with one thread.

    Args:
        weights: `coco-v2`, `coco-v1`, `photos`, `demo`, a path, also of an exported `.onnx` or
            `.xml` file, or a loaded `Model`, which is not changed. Weights that cannot be
            downloaded are never replaced by others.
        architecture: Architecture of a `.pth` file.
        device: `auto` (a GPU if there is one), `cpu`, `cuda`, `cuda:1`, `mps`.
        engine: `torch`, `openvino`, `onnxruntime`, or `auto`: torch, for exported files what runs
            them, for int8 OpenVINO if it is installed. Other engines than torch run on the CPU;
            weights are converted for them once, see `docs/engines.md`.
        precision: `fp32`, `bf16`, or `auto`: bf16 if the processor supports it natively. With the
            demo weights, bf16 changed AP by 0.002 (see docs/performance.md). `int8` for other
            engines than torch.
        calibration: Photos to quantize weights with, for `precision="int8"`: a folder, a glob, or
            a list of images. About 100 like those to be predicted.
        preset: `default`, or `fast`: photos are resized to 0.6 of the default size.
        score_threshold: Minimum score, 0..1, for all classes; instances with exactly this score
            are left out. None uses the threshold of each class that is stored in the model file,
            and 0.5 for classes without one.
        classes: Keep only these classes: a list of names, or a text with commas between them.
        max_detections: At most this many detections per image, or per tile.
        cross_class_nms: If the masks of two instances of any class overlap by more than this IoU,
            remove the one with the lower score; None keeps both.
        tile: Split larger photos into overlapping tiles of this many pixels; None does not. TIFF
            files that are large, or too large for the memory, are then read in windows.
        overlap: Overlap of neighbouring tiles, as a share of their size, 0..0.9.
        flip: Run on the horizontally flipped photo too and merge the results (test-time
            augmentation).
        batch_size: Images of equal size, or tiles, per batch.
        compile: Compile the network with `torch.compile` during the first predictions, which takes
            a minute or two; for GPUs, where it has not been measured yet.
        memory: Limit for the memory of the process, such as "4GB", "512MB" or "2GiB"; by default
            what is free, in a container too. Batches and the photos that are read ahead become
            fewer where they would need more; a photo that does not fit alone is refused.
        progress: Called with the bytes downloaded and the total, while weights are downloaded.
        on_event: Called when weights are converted for another engine.

    Attributes:
        name: The weights: their name, the name of the file, or the architecture of a `Model`.
        card: The model card.
        engine: The engine that runs it.
        parameters: Number of weights; None for exported files.
        score_thresholds: float32 (K + 1,), minimum score by class id.
        uses_stored_thresholds: Whether these come from the model file.
        plan: Predicts how much memory photos need.

    Raises:
        InputError: Weights are not available, or an option is out of range.
    """

    @checks_types
    def __init__(
        self,
        weights: str | Path | Model = "coco-v2",
        *,
        architecture: str | None = None,
        device: str | torch.device = "auto",
        engine: str = "auto",
        precision: str = "auto",
        calibration: str | Path | Sequence[ImageLike] | None = None,
        preset: str = "default",
        score_threshold: float | None = None,
        classes: str | Sequence[str] | None = None,
        max_detections: int = 100,
        cross_class_nms: float | None = None,
        tile: int | None = None,
        overlap: float = 0.2,
        flip: bool = False,
        batch_size: int = 1,
        compile: bool = False,  # noqa: A002
        memory: str | int | None = None,
        progress: Callable[[int, int], None] | None = None,
        on_event: OnEvent = ignore,
    ) -> None:
        require_between(0, 1, score_threshold=score_threshold)
        require_between(1, 10_000, max_detections=max_detections)
        require_between(0, 0.9, overlap=overlap)
        require_between(1, 1024, batch_size=batch_size)
        require_between(0, 1, cross_class_nms=cross_class_nms)
        require_between(64, 100_000, tile=tile)
        if preset not in PRESETS:
            raise InputError(f"preset {preset!r} is unknown; use one of {', '.join(PRESETS)}")
        run = RunOptions(
            device=device,
            engine=engine,
            precision=precision,
            scale=PRESETS[preset],
            compiled=compile,
            calibration=None if calibration is None else as_arrays(calibration),
            on_event=on_event,
        )
        loaded = choose_detector(weights, run, architecture=architecture, progress=progress)
        self.name, self.card, self.engine = loaded.name, loaded.card, loaded.engine
        self.device, self.dtype, self._detector = loaded.device, loaded.dtype, loaded.runner
        self.parameters = loaded.parameters
        self._longest_px = round(self.card.preprocessing["max_size"] * PRESETS[preset])
        self.uses_stored_thresholds = score_threshold is None and bool(self.card.thresholds)
        stored = self.card.thresholds if self.uses_stored_thresholds else {}
        otherwise = DEFAULT_SCORE if score_threshold is None else score_threshold
        self.score_thresholds = np.array(
            [stored.get(name, otherwise) for name in self.class_names], dtype=np.float32
        )
        # A name may hold a comma itself.
        kept = [classes] if classes in self.class_names else split_names(classes)
        self.choice = Choice(
            score_threshold=float(self.score_thresholds[1:].min()),
            max_detections=max_detections,
            class_ids=None if kept is None else self.card.class_ids_of(kept),
        )
        self.cross_class_nms, self.tile, self.overlap = cross_class_nms, tile, overlap
        self.flip, self.batch_size = flip, batch_size
        self.plan = self._plan(memory, loaded, PRESETS[preset])
        self._on_event = on_event

    def __repr__(self) -> str:
        return f"Predictor({self.card.in_words()})"

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by class id; [0] is "BG"."""
        return self.card.class_names

    @property
    def category_ids(self) -> tuple[int, ...]:
        """Dataset ids by class id; [0] is 0."""
        return self.card.category_ids

    def describe_threshold(self) -> float | str:
        """The minimum score for all classes, or `stored` if the model file has its own."""
        return (
            "stored" if self.uses_stored_thresholds else round(float(self.score_thresholds[0]), 6)
        )

    def __call__(self, image: ImageLike | TiffWindows) -> Instances:
        """The instances in one photo, best first.

        Args:
            image: A path, uint8 RGB (H, W, 3), or a tensor (3, H, W), uint8 or float in 0..1; with
                `tile` also `TiffWindows`.
        """
        return self.predict_batch([image])[0]

    def predict_batch(self, images: Sequence[ImageLike | TiffWindows]) -> list[Instances]:
        """The instances in each of several photos, of any sizes."""
        if isinstance(images, str | Path):
            raise ArgumentError("{images} must be a list of images", images=images)
        return self._predict([as_photo(image, self.plan, copy=False) for image in images])

    def glance(self, images: Sequence[NDArray[np.uint8]]) -> list[Glance]:
        """Classes and scores of the detections in each photo, and its features, without masks.

        Args:
            images: Each uint8 RGB (H, W, 3); looked at whole and one by one.
        """
        if not isinstance(self._detector, Detector):
            raise ArgumentError(
                f"{{weights}} {self.name} is an exported file, whose features cannot be seen; give "
                "the model file"
            )
        looks = [shortened(image, self._longest_px) for image in images]
        tensors = [torch.from_numpy(look).permute(2, 0, 1) for look in looks]
        return [self._detector.glance([each], self.choice)[0] for each in tensors]

    def limited(
        self, *, score_threshold: float | None = None, max_detections: int | None = None
    ) -> Predictor:
        """The same network with other limits, which finds what a new `Predictor` with them would.

        Args:
            score_threshold: Minimum score for all classes, 0..1; None changes nothing.
            max_detections: At most this many per image, and not more than before; None changes
                nothing.

        Raises:
            ArgumentError: A limit is out of range.
        """
        require_between(0, 1, score_threshold=score_threshold)
        require_between(1, self.choice.max_detections, max_detections=max_detections)
        other = copy.copy(self)
        if score_threshold is not None:
            other.uses_stored_thresholds = False
            other.score_thresholds = np.full_like(self.score_thresholds, score_threshold)
            other.choice = replace(
                other.choice, score_threshold=float(other.score_thresholds[1:].min())
            )
        if max_detections is not None:
            other.choice = replace(other.choice, max_detections=max_detections)
        return other

    def stream(self, images: Iterable[ImageLike | TiffWindows] | str | Path) -> Iterator[Instances]:
        """The instances of one photo after another, in order; memory use does not grow.

        Threads read and predict the next few photos meanwhile, so a few items are taken from
        `images` in advance. On a CPU, several photos are predicted at once, by one thread each:
        as many as torch has threads (see `torch.set_num_threads`), at most 4.

        Args:
            images: Photos; or a `Video`, or the path or URL of one, for the instances of each
                frame.

        Raises:
            InputError: A photo cannot be read or needs more memory than there is, after the
                instances of those before it. This, like any other exception, says which photo.
        """
        if isinstance(images, str | Path):  # a text is a sequence too, of letters
            if is_video(images):
                return self.stream(Video(images))
            raise ArgumentError("{images} must be a list of images, or a video", images=images)
        budget, seen = look_within(
            self.plan,
            images,
            partial(need_of_image, plan=self.plan),
            partial(as_photo, plan=self.plan),
            self._predict,
            batch_size=self.batch_size,
            workers=self.workers(length_hint(images, MANY)),
        )
        return raised(seen, name_of, budget)

    def _plan(
        self, memory: str | int | None, loaded: Loaded[Detects], scale: float
    ) -> DetectorPlan:
        limit_bytes, base_bytes = memory_plan(memory, loaded.weights_bytes)
        return DetectorPlan(
            limit_bytes=limit_bytes,
            base_bytes=base_bytes,
            architecture=self.card.architecture,
            min_size=round(self.card.preprocessing["min_size"] * scale),
            max_size=self._longest_px,
            max_detections=self.choice.max_detections,
            engine=self.engine,
            precision=loaded.precision,
            tile=self.tile,
            flip=self.flip,
            batch_size=self.batch_size if self.engine == "torch" else 1,  # others run one by one
            on_cpu=self.device.type == "cpu",
        )

    def workers(self, photos: int = MANY) -> Workers:
        """The threads that share the work on this many photos; by default, on any number."""
        return workers_for(self.device, -(-photos // self.batch_size))

    def detect(
        self, images: Sequence[NDArray[np.uint8]], verbose: int = 0
    ) -> list[dict[str, NDArray[Any]]]:
        """Predict with the interface of Matterport's `model.detect`, for code written for it.

        `score_threshold` of the predictor is Matterport's DETECTION_MIN_CONFIDENCE.

        Args:
            images: Each uint8 RGB (H, W, 3).
            verbose: 1 prints shape and value range of the images, as Matterport's function does.

        Returns:
            For each image a dict of `rois` int32 (N, 4) as y0 x0 y1 x1, `class_ids` int32 (N,),
            `scores` float32 (N,) and `masks` bool (H, W, N).

        Warns:
            UserWarning: These weights have other classes than COCO's 81 names of the tutorials.
        """
        warn_of_other_classes(self.class_names)
        if verbose:
            sys.stdout.writelines(described(images))
        return [as_result(found) for found in map(self, images)]

    def _predict(self, images: list[Photo]) -> list[Instances]:
        if os.getpid() != IMPORTED_IN:  # forked without OpenMP's threads: torch would wait for them
            torch.set_num_threads(1)
        if self.tile is None:
            return self._predict_whole([image for image in images if isinstance(image, np.ndarray)])
        options = self._predict_whole, self.plan, self.overlap, self.device
        return [self._chosen(predict_tiled(image, *options)) for image in images]

    @property
    def _look(self) -> Look:
        return Look(self._detector, self.class_names, self.plan, self._tell_left_out)

    def _predict_whole(
        self,
        images: list[NDArray[np.uint8]],
        sizes_hw: Sequence[tuple[int, int]] | None = None,
    ) -> list[Instances]:
        """Predict whole photos, with `flip` also mirrored; see `Look`."""
        if not self.flip:
            return [self._finish(found) for found in self._look(images, self.choice, sizes_hw)]
        # the mean of two scores may exceed the threshold though one of them does not
        choice = replace(self.choice, score_threshold=self.choice.score_threshold / 2)
        found = self._look(images, choice, sizes_hw)
        mirrored = self._look([image[:, ::-1].copy() for image in images], choice, sizes_hw)
        joined = [join_flipped(*pair) for pair in zip(found, mirrored, strict=True)]
        return [self._finish(instances) for instances in joined]

    def _finish(self, found: Instances) -> Instances:
        return self._chosen(found)[: self.choice.max_detections]

    def _chosen(self, found: Instances) -> Instances:
        """Those above the threshold of their class, best first."""
        found = found[found.scores > self.score_thresholds[found.class_ids]]
        if self.cross_class_nms is not None:
            found = drop_repeats(found, self.cross_class_nms)
        return found[np.argsort(-found.scores, kind="stable")]

    def _tell_left_out(self, objects: int) -> None:
        text = (
            f"{count(objects, 'object')} too large for the memory, found in a whole photo, left out"
        )
        self._on_event(Warned(text=text))
