"""The options of `train_unet`, with checks, and the recipe made of them."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from instseg.core.errors import ArgumentError, require_between, require_positive
from instseg.training.common_options import TrainingOptions, check_photos_given, is_path

if TYPE_CHECKING:
    from instseg.data.coco import CocoData
    from instseg.models.segmenters import SegmenterModel
    from instseg.training.recipe import Recipe

NEW_NETWORK = ("architecture", "skips", "encoder_weights")  # options that --weights replaces


@dataclass(frozen=True)
class TrainUnetOptions(TrainingOptions):
    """Trains a U-Net, or another network for semantic segmentation, and writes best.safetensors.

    Args:
        coco_json: Training annotations, in COCO format; they are merged into semantic maps.
        images: Folder of their photos, or of the images of `masks`; or one .npy file of all images.
        data: Instead of `coco_json`: labels of any format that convert reads, with their splits;
            val is the validation data, if there is no other. `images` is only needed if the photos
            are not where the labels say.
        masks: Training masks: a folder of semantic maps, .png, .gif, .tif, .bmp or .npy files that
            belong to the images by their names; or one .npy file of all masks.
        mask_name: How the files of `masks` are called, such as "segm_{}.npy", where {} is the
            image's name without suffix; by default recognised from the names.
        values: Meaning of the values in semantic maps, as "1=pet,2=BG,3=ignore"; if not given, 0 is
            background, 255 is ignored, and every other value that occurs is a class.
        scenes: Train on this many drawn scenes.
        scene_size: Height and width of the scenes in pixels.
        val_coco_json: Validation annotations, in COCO format. mIoU is measured after each epoch,
            and the best weights are kept.
        val_images: Folder of their photos, or of the images of `val_masks`; by default that of
            `images`.
        val_masks: Validation masks, with the values of `masks`.
        val_scenes: Validate on this many other drawn scenes.
        val_share: Share of the training images to hold out for validation if no validation data
            is given, 0 to 1; the split is written to split.json. With 0 there is no validation, and
            the last weights are kept.
        rule: Which object is on top where several overlap: smallest-on-top or class-priority.
        priority: For class-priority: class names from highest to lowest priority, comma-separated.
        architecture: unet_small, unet_dropout, unet_64, unet_efficientnet_lite0, fcn_resnet50,
            deeplabv3_resnet50, deeplabv3_mobilenet_v3_large, or smp:NAME:ENCODER, as
            smp:FPN:resnet34.
        skips: Use skip connections in a U-Net.
        encoder_weights: Pretrained weights of the encoder: none, or imagenet where its library has
            them; for unet_efficientnet_lite0 also a model file of efficientnet_lite0_fpn, whose
            backbone is taken.
        layers: Layers to train: all, or for unet_efficientnet_lite0 heads (the decoder), 5+, 4+ or
            3+ (also these stages of the encoder and those above), as in finetune.
        weights: Model file to start from. It determines the architecture, and the size unless
            `size` is given; classes are initialised from those of the same name. Images are
            normalised as for a new network: photos with the mean and standard deviation of
            ImageNet, or those of unet_efficientnet_lite0, other images with their own; photos
            converted to grey as for the weights.
        loss: A loss, as "ce(weights=effective)" or "focal(gamma=1.5)", or a weighted sum, as
            "ce + 0.5*dice", of ce, bce, weighted-bce, balanced-ce, focal, dice, log-cosh-dice,
            tversky, focal-tversky, sensitivity-specificity, combo, exponential-logarithmic,
            shape-aware and hausdorff.
        size: Resize images so that their shorter side has this many pixels; by default they keep
            their size.
        crop: Size of the random square crop in training, in pixels; by default that of the images,
            at most 512.
        augment: Data augmentation: names of torchvision.transforms.v2 with their arguments; by
            default flips, brightness, contrast, saturation, shift and scale.
        optimizer: adamw, adam (without weight decay) or sgd.
        backbone_learning_rate: For unet_efficientnet_lite0: peak learning rate of the encoder; by
            default that of the other layers.
    """

    coco_json: str | Path | CocoData | None = None
    images: str | Path | None = None
    _: KW_ONLY
    data: str | Path | None = None
    masks: str | Path | None = None
    mask_name: str | None = None
    values: str = ""
    scenes: int = 0
    scene_size: int = 320
    val_coco_json: str | Path | CocoData | None = None
    val_images: str | Path | None = None
    val_masks: str | Path | None = None
    val_scenes: int = 0
    val_share: float = 0.2
    rule: Literal["smallest-on-top", "class-priority"] = "smallest-on-top"
    priority: str = ""
    architecture: str = "unet_small"
    skips: bool = True
    encoder_weights: str = "none"
    layers: str = "all"
    weights: str | Path | SegmenterModel | None = None
    loss: str = "ce + dice"
    size: int | None = None
    crop: int | None = None
    augment: list[Any] | None = None
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    backbone_learning_rate: float | None = None
    out: str | Path = Path("out/train_unet")
    batch_size: int = 8
    plateau_patience: int = 5

    verb = "train_unet"

    def check(self) -> None:
        """Raise InputError for options that are out of range or do not go together."""
        self._check_data()
        require_between(0, scenes=self.scenes, val_scenes=self.val_scenes)
        require_between(16, size=self.size, crop=self.crop)
        require_between(32, scene_size=self.scene_size)
        self.check_training(
            measured=self.val_coco_json is not None
            or bool(self.val_masks or self.val_scenes or self.val_share),
            validation="validation data",
        )
        self._check_network()

    def _check_data(self) -> None:
        """Check that there is one set of training data, and at most one of validation data."""
        annotated = self.coco_json is not None, self.data is not None
        if sum(map(bool, (*annotated, self.masks is not None, self.scenes))) != 1:
            raise ArgumentError(
                "say what to train on: {coco_json} or {masks}, either with {images}, {data}, or "
                "{scenes}"
            )
        if self.masks is not None and self.images is None:
            raise ArgumentError("{masks} needs {images}, the folder of its images")
        check_photos_given(self.coco_json, self.images)
        val = (self.val_coco_json is not None, self.val_masks is not None, self.val_scenes)
        if sum(map(bool, val)) > 1:
            raise ArgumentError("take one of {val_coco_json}, {val_masks} and {val_scenes}")
        if not 0 <= self.val_share < 1:
            raise ArgumentError(
                "{val_share} must be at least 0 and below 1", val_share=self.val_share
            )
        own = self.val_images is None and self.images is None and self.data is None
        if is_path(self.val_coco_json) and own:
            raise ArgumentError("{val_coco_json} needs {val_images}, the folder of its photos")
        if self.val_masks is not None and (self.masks is None or self.val_images is None):
            raise ArgumentError("{val_masks} goes with {masks}, and needs {val_images}")
        if self.val_images is not None and self.val_coco_json is None and self.val_masks is None:
            raise ArgumentError("{val_images} needs {val_coco_json} or {val_masks}")
        if self.values and self.masks is None:
            raise ArgumentError("{values} is for {masks}")
        if self.mask_name is not None and self.masks is None:
            raise ArgumentError("{mask_name} is for {masks}")
        if bool(self.priority) != (self.rule == "class-priority"):
            raise ArgumentError("{rule} class-priority needs {priority}, and nothing else does")
        objects = self.val_coco_json is not None or self.val_scenes
        if self.priority and self.masks is not None and not objects:
            raise ArgumentError("{rule} and {priority} are for objects, of which {masks} has none")

    def _check_network(self) -> None:
        """Check the loss here, because reading the data may take long."""
        from instseg.data.semantic_augmentation import parse_semantic_augmentations
        from instseg.models.segmenters import UNETS
        from instseg.system.device import choose_device
        from instseg.system.processes import process_device
        from instseg.training.losses import parse_loss
        from instseg.training.scope import check_scope
        from instseg.training.segmentation_start import check_start

        defaults = {each.name: each.default for each in fields(self)}
        changed = any(getattr(self, name) != defaults[name] for name in NEW_NETWORK)
        if self.weights is not None and changed:
            raise ArgumentError(
                "{architecture}, {skips} and {encoder_weights} are for a new network; {weights} "
                "has its own"
            )
        if not self.skips and self.architecture not in UNETS:
            raise ArgumentError(
                f"{{skips}} is for U-Nets, not for {self.architecture}", skips=False
            )
        choose_device(process_device(self.device))
        parse_loss(self.loss, class_counts=lambda: [1, 1])
        parse_semantic_augmentations(self.augment or ())
        self.check_weights_stay(self.weights)
        check_scope(self.layers)
        require_positive(backbone_learning_rate=self.backbone_learning_rate)
        found = check_start(self.weights, self.architecture, self.encoder_weights)
        staged = self.layers != "all" or self.backbone_learning_rate is not None
        if staged and found != "unet_efficientnet_lite0":
            raise ArgumentError(
                "{layers} and {backbone_learning_rate} are for unet_efficientnet_lite0, not for "
                f"{found}"
            )

    def recipe(self, images: int) -> Recipe:
        """How to train, where an epoch has so many images in each process."""
        from instseg.training.recipe import learning_rate_from_scratch, usual_learning_rate

        adam = self.optimizer == "adam"
        fresh = self.weights is None and self.encoder_weights == "none"
        usual = learning_rate_from_scratch if fresh else usual_learning_rate
        optimizer = "adamw" if self.optimizer == "adam" else self.optimizer
        rate = usual(optimizer, self.images_per_step(images))
        return self.recipe_with(
            optimizer=optimizer,
            learning_rate=rate if self.learning_rate is None else self.learning_rate,
            backbone_learning_rate=self.backbone_learning_rate,
            weight_decay=0.0 if adam else self.weight_decay,
        )
