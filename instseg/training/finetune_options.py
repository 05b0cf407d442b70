"""The options of `finetune`, with checks, and the recipe made of them."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from instseg.core.errors import ArgumentError, require_between, require_positive
from instseg.core.options import renamed
from instseg.training.common_options import NEW, TrainingOptions, check_photos_given, is_path

if TYPE_CHECKING:
    from instseg.data.coco import CocoData
    from instseg.models.mask_rcnn import Model
    from instseg.training.recipe import Recipe

SMALLEST_SIDE = 64  # smallest input of Mask R-CNN, in pixels


@dataclass(frozen=True)
class FinetuneOptions(TrainingOptions):
    """Trains a Mask R-CNN on COCO annotations, and writes best.safetensors.

    Args:
        coco_json: Training annotations, in COCO format.
        images: Folder of their photos.
        data: Instead of `coco_json`: labels of any format that convert reads, with their splits;
            val is the validation data, if there is no other. `images` is only needed if the photos
            are not where the labels say.
        val_coco_json: Validation annotations, in COCO format. AP is measured after each epoch, and
            the best weights are kept.
        val_images: Folder of their photos; by default that of `images`.
        scenes: Train on this many drawn scenes instead of annotations.
        scene_sizes: Height and width of the scenes in pixels; if several, in this order, with an
            equal number of scenes of each.
        val_scenes: Validate on this many other drawn scenes of 320 px, after each epoch; with
            `scenes`, after training.
        weights: Weights to start from: coco-v2, coco-v1, photos, demo, a path, none, or imagenet
            for a new efficientnet_lite0_fpn with ImageNet's weights in its backbone.
        keep_classes: Keep the classes of the starting weights in addition to those of the dataset.
            What the starting weights find of these classes in the photos is used as pseudo labels.
        init_classes: Initialise class NEW from class OLD of the starting weights: OLD=NEW,
            comma-separated.
        architecture: Architecture of a new network, if `weights` is none, or of a .pth file.
        layers: Layers to train: heads, 5+, 4+, 3+ or all, with stages numbered as in Matterport's
            Mask R-CNN; or several stages of training with their epochs, as heads:5,all:20. The
            depthwise convolutions of efficientnet_lite0_fpn are trained with all only.
        min_size: Resize photos so that their shorter side has this many pixels; by default as the
            starting weights do.
        tile: Train on windows of this many pixels, cut from larger photos around objects and in the
            background, for inference with the same `tile`. Validation uses tiles too.
        augment: Data augmentation: names of torchvision.transforms.v2 with their arguments, or
            CopyPaste; see docs/finetuning.md for the default.
        repeat_threshold: Oversample rare classes (repeat-factor sampling): those that occur in less
            than this share of the photos, 0 to 1.
        empty_share: Maximum share of photos without objects in an epoch, 0 to 1; if not given, all
            of them are used. With `tile`, that of windows; if not given, 0.2.
        pseudo: LOW,HIGH, 0 to 1, for annotations with a score, found by a detector: from HIGH they
            are objects, between the two regions to ignore, below LOW left out.
        mask_head: One mask channel for all classes (shared) or one for each (per-class); by default
            as the starting weights have it, but shared if a class has objects that train no masks,
            and fewer than 10 that do.
        box_supervision: Learn the masks of objects that have a box alone from their boxes
            (BoxInst): on, off, or auto, if no object has a mask or labelled points.
        mask_share: Minimum share of photos with masks in an epoch, reached by repeating them, at
            least 0 and below 1; these photos then have batches of their own.
        unlabelled: Photos without annotations, learnt from too (semi-supervised): a folder, glob,
            or @list.txt, or a list of them. Before each epoch, the averaged weights find the
            objects in those that it uses (pseudo-labels). Photos of the datasets are left out.
        unlabelled_scores: LOW,HIGH, 0 to 1, for pseudo-labels: from HIGH they are objects, between
            the two regions to ignore, below LOW left out.
        unlabelled_start: Epochs of labelled photos alone before, at least 1; by default a fifth of
            the run.
        unlabelled_share: Share of unlabelled photos in each batch after that, above 0 and below 1.
        show_batch: Draw the first batches, after augmentation, to batches.png.
        optimizer: adamw or sgd.
        backbone_learning_rate: Peak learning rate of the backbone without its pyramid; by default
            that of the other layers.
    """

    coco_json: str | Path | CocoData | None = None
    images: str | Path | None = None
    _: KW_ONLY
    data: str | Path | None = None
    val_coco_json: str | Path | CocoData | None = None
    val_images: str | Path | None = None
    scenes: int = 0
    scene_sizes: list[int] = field(default_factory=lambda: [320])
    val_scenes: int = 0
    weights: str | Path | Model = "coco-v2"
    keep_classes: bool = False
    init_classes: str = renamed("", "map")
    architecture: str | None = None
    layers: str = renamed("all", "train")
    min_size: int | None = None
    tile: int | None = None
    augment: list[Any] | None = None
    repeat_threshold: float = renamed(0.001, "rare")
    empty_share: float | None = None
    pseudo: str = "0.15,0.5"
    mask_head: Literal["shared", "per-class"] | None = None
    box_supervision: Literal["auto", "on", "off"] = "auto"
    mask_share: float | None = None
    unlabelled: list[Path] | str | Path | None = None
    unlabelled_scores: str = "0.1,0.9"
    unlabelled_start: int | None = None
    unlabelled_share: float = 0.5
    show_batch: bool = False
    optimizer: Literal["adamw", "sgd"] = "adamw"
    backbone_learning_rate: float | None = None
    out: str | Path = Path("out/finetune")

    verb = "finetune"

    def check(self) -> None:
        """Raise InputError for options that are out of range or do not go together."""
        from instseg.training.detection_start import parse_init_classes
        from instseg.training.scope import parse_layers

        sources = (self.coco_json is not None, self.data is not None, self.scenes)
        if sum(map(bool, sources)) != 1:
            raise ArgumentError(
                "say what to train on: {coco_json} with {images}, {data}, or {scenes}"
            )
        check_photos_given(self.coco_json, self.images)
        parse_init_classes(self.init_classes)
        parse_layers(self.layers, 1, with_epochs=not self.scenes)
        self._check_start()
        measured = self.val_coco_json is not None or bool(self.val_scenes or self.data)
        self.check_training(measured=measured, validation="{val_coco_json} or {val_scenes}")
        self._check_validation()
        require_between(0, scenes=self.scenes, val_scenes=self.val_scenes)
        require_between(0, 1, repeat_threshold=self.repeat_threshold, empty_share=self.empty_share)
        require_between(SMALLEST_SIDE, min_size=self.min_size)
        require_between(SMALLEST_SIDE, 100_000, tile=self.tile)
        require_positive(backbone_learning_rate=self.backbone_learning_rate)
        self._check_labels()
        self._check_unlabelled()
        if self.tile and (self.scenes or self.unlabelled):
            raise ArgumentError("{tile} needs {coco_json}, and does not go with {unlabelled}")
        if self.scenes and self.epochs:
            raise ArgumentError("each of {scenes} is drawn once; give their number, not {epochs}")
        if min(self.scene_sizes, default=0) < SMALLEST_SIDE or any(
            side % 32 for side in self.scene_sizes
        ):
            raise ArgumentError(
                f"{{scene_sizes}} must be multiples of 32, at least {SMALLEST_SIDE}"
            )

    def _check_labels(self) -> None:
        from instseg.training.label_choices import parse_scores

        parse_scores(self.pseudo)
        if self.mask_share is not None and not 0 <= self.mask_share < 1:
            raise ArgumentError(
                "{mask_share} must be at least 0 and below 1", mask_share=self.mask_share
            )
        if self.mask_share and self.scenes:
            raise ArgumentError("{mask_share} needs {coco_json}: all objects in scenes have masks")
        if self.box_supervision == "on" and self.scenes:
            raise ArgumentError("{box_supervision} on needs {coco_json}: scenes have masks")

    def _check_unlabelled(self) -> None:
        from instseg.training.label_choices import parse_scores

        parse_scores(self.unlabelled_scores, "unlabelled_scores")
        require_between(1, unlabelled_start=self.unlabelled_start)
        require_between(0, 1, unlabelled_share=self.unlabelled_share)
        if self.unlabelled and self.scenes:
            raise ArgumentError("{unlabelled} needs {coco_json}: all objects in scenes have labels")
        if self.unlabelled and not self.ema_decay:
            raise ArgumentError(
                "{unlabelled} needs {ema_decay} above 0: the averaged weights make the labels"
            )

    def _check_start(self) -> None:
        fresh = self.weights in NEW
        self.check_weights_stay(self.weights)
        if self.weights == "none" and not self.architecture:
            raise ArgumentError("{weights} none needs {architecture}, such as compact")
        if self.weights == "imagenet":
            from instseg.models.imagenet import ARCHITECTURE, require_imagenet

            require_imagenet(self.architecture or ARCHITECTURE)
        if self.init_classes and fresh:
            raise ArgumentError(
                "{init_classes} needs {weights} of a trained network, whose classes it names"
            )
        if self.keep_classes and (fresh or self.scenes):
            raise ArgumentError(
                "{keep_classes} needs {coco_json}, and {weights} of a trained network"
            )

    def _check_validation(self) -> None:
        if self.val_images is not None and self.val_coco_json is None:
            raise ArgumentError("{val_images} needs {val_coco_json}, the annotations of its photos")
        if self.val_coco_json is not None and self.val_scenes:
            raise ArgumentError("take one of {val_coco_json} and {val_scenes}")
        own = self.val_images is None and self.images is None and self.data is None
        if is_path(self.val_coco_json) and own:
            raise ArgumentError("{val_coco_json} needs {val_images}, the folder of its photos")

    def recipe(self, images: int) -> Recipe:
        """How to train, where an epoch has so many images in each process."""
        from instseg.training.recipe import usual_learning_rate

        usual = usual_learning_rate(self.optimizer, self.images_per_step(images))
        return self.recipe_with(
            optimizer=self.optimizer,
            learning_rate=usual if self.learning_rate is None else self.learning_rate,
            backbone_learning_rate=self.backbone_learning_rate,
            weight_decay=self.weight_decay,
        )
