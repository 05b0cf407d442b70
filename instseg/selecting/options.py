"""The options of `select`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from instseg.core.errors import ArgumentError, require_between
from instseg.core.events import OnEvent, ignore
from instseg.core.options import python_only

if TYPE_CHECKING:
    from instseg.data.coco import CocoData
    from instseg.models.mask_rcnn import Model


@dataclass(frozen=True)
class SelectOptions:
    """Chooses the photos that are worth labelling next (active learning).

    Args:
        photos: Photos to choose from: a folder, glob or @list.txt, or a list of them and of photos.
        weights: The model to improve: coco-v2, coco-v1, photos, demo or a path.
        count: Number of photos to choose.
        coco_json: The photos that are labelled, in COCO format. They are not chosen again, nor are
            photos like them, and classes of which they have few objects count more.
        images: Folder of the labelled photos.
        data: Instead of `coco_json`: labels of any format that convert reads.
        out: Output folder.
        copy_photos: Also copy the chosen photos to photos/.
        recursive: Search subfolders too.
        device: auto, cpu, cuda, cuda:1 or mps.
        precision: Floating-point precision; auto uses bf16 if the processor supports it natively.
        seed: Random seed; decides between photos that are equally worth labelling.
        on_event: Called with progress, and with `PhotoFailed` for photos that cannot be read.
    """

    photos: list[Path] | str | Path
    _: KW_ONLY
    weights: str | Path | Model
    count: int = 100
    coco_json: str | Path | CocoData | None = None
    images: str | Path | None = None
    data: str | Path | None = None
    out: str | Path = Path("out/select")
    copy_photos: bool = False
    recursive: bool = False
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: int = 0
    on_event: OnEvent = python_only(ignore)

    def __post_init__(self) -> None:
        require_between(1, count=self.count)
        require_between(0, seed=self.seed)
        if self.coco_json is not None and self.data is not None:
            raise ArgumentError("give the labelled photos as {coco_json} or as {data}")
        if isinstance(self.coco_json, str | Path) and self.images is None:
            raise ArgumentError("{coco_json} needs {images}, the folder of its photos")
