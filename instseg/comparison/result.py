"""`Comparison`: what `compare` returns."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from instseg.comparison.tables import COMPARED, class_rows, cost_rows, instance_rows, mean_rows
from instseg.core.html_table import html_table
from instseg.core.json_types import Json
from instseg.core.wording import count, interval, number
from instseg.evaluation.bootstrap import Range

MOST_BARS = 30  # in a notebook


@dataclass(frozen=True, kw_only=True)
class ModelScores:
    """The scores of one of the two models.

    Attributes:
        mIoU: Mean IoU over the compared classes and the background, 0..1.
        mIoU_interval: Its 95% interval; None where the images are too few.
        scores: All means by name: mIoU, mDice, fwIoU, pACC, mACC, mBIoU, and each with `_fg`
            without the background; None for what has no value.
        box_AP: COCO's AP of the boxes.
        mask_AP: COCO's AP of the masks.
        parameters: Number of parameters of the network; None for an exported file.
    """

    mIoU: float  # noqa: N815  as the literature writes it
    mIoU_interval: Range | None  # noqa: N815
    scores: Mapping[str, float | None]
    box_AP: float  # noqa: N815
    mask_AP: float  # noqa: N815
    parameters: int | None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Mask R-CNN's score minus the U-Net's.

    Attributes:
        value: None where one of them has no score.
        interval: The 95% interval; None where the images are too few.
        p: Two-sided p-value.
        significant: Whether p is below 0.05.
    """

    value: float | None
    interval: Range | None
    p: float | None
    significant: bool | None


@dataclass(frozen=True, kw_only=True)
class ClassComparison:
    """The IoU of one class.

    Attributes:
        name: Name of the class; "BG" is the background.
        images: Number of images with the class.
        unet: IoU of the U-Net, None without a true pixel.
        mask_rcnn: IoU of Mask R-CNN.
        difference: Between them.
    """

    name: str
    images: int
    unet: float | None
    mask_rcnn: float | None
    difference: Difference


@dataclass(frozen=True, kw_only=True, repr=False)
class Comparison:
    """The comparison of Mask R-CNN, merged into semantic maps, with a U-Net.

    Attributes:
        unet: The U-Net's scores.
        mask_rcnn: Mask R-CNN's scores.
        difference: In mIoU.
        per_class: IoU of each compared class, the background first.
        images: Number of compared images.
        verdict: Sentences: which model is better, for which classes, and how reliable that is.
        written: The files that were written; none without `out`.
    """

    unet: ModelScores
    mask_rcnn: ModelScores
    difference: Difference
    per_class: tuple[ClassComparison, ...]
    images: int
    verdict: tuple[str, ...]
    written: tuple[Path, ...] = ()
    _content: Json = field(compare=False)

    @classmethod
    def from_dict(cls, content: Json, written: tuple[Path, ...] = ()) -> Comparison:
        """From what comparison.json holds."""
        semantic = content["semantic"]
        rows = zip(
            *(semantic[key]["per_class"] for key in ("unet", "mask_rcnn", "difference")),
            strict=True,
        )
        return cls(
            unet=_model_scores(content, "unet"),
            mask_rcnn=_model_scores(content, "mask_rcnn"),
            difference=_difference(semantic["difference"]["scores"]["mIoU"]),
            per_class=tuple(
                ClassComparison(
                    name=unet["class"],
                    images=unet["images"],
                    unet=unet["IoU"],
                    mask_rcnn=ours["IoU"],
                    difference=_difference(difference["IoU"]),
                )
                for unet, ours, difference in rows
            ),
            images=len(content["per_image"]),
            verdict=tuple(content["verdict"]),
            written=written,
            _content=content,
        )

    def to_dict(self) -> Json:
        """All that was measured: what comparison.json holds."""
        return copy.deepcopy(self._content)

    def __repr__(self) -> str:
        limits = self.difference.interval
        sure = f" ({interval(limits, '+')})" if limits else ""
        return (
            f"Comparison(Mask R-CNN {number(self.mask_rcnn.mIoU)}, U-Net {number(self.unet.mIoU)}, "
            f"difference {number(self.difference.value, '+')}{sure} mIoU, "
            f"{count(self.images, 'image')})"
        )

    def _repr_html_(self) -> str:
        answer, *more = self.verdict
        content = self._content
        means = [*mean_rows(content), *instance_rows(content, ["AP"])]
        return "".join(
            (
                f"<p><strong>{escape(answer)}</strong></p>",
                f"<p>{escape('. '.join(more))}.</p>",
                html_table(["", *COMPARED], means),
                self._html_bars(),
                html_table(["IoU of", "images", *COMPARED], class_rows(content)),
                html_table(["", "U-Net", "Mask R-CNN"], cost_rows(content)),
            )
        )

    def _html_bars(self) -> str:
        """The IoU of both models, of the classes in the most images."""
        from instseg.report.components import Bar, Bars
        from instseg.report.fragment import fragment

        known = [row for row in self.per_class if row.mask_rcnn is not None]
        most = sorted(known, key=lambda row: -row.images)[:MOST_BARS]
        title = "IoU"
        if len(known) > len(most):
            title += f" of the {len(most)} classes in the most images"
        bars = Bars(
            bars=[Bar(label=row.name, value=row.mask_rcnn) for row in most],
            other={row.name: row.unet for row in most},
            names=("Mask R-CNN", "U-Net"),
            title=title,
            most=1.0,
        )
        return fragment(bars)


def _model_scores(content: Mapping[str, Any], side: str) -> ModelScores:
    semantic = content["semantic"][side]
    average_precision = {
        kind: block[side]["scores"]["AP"] for kind, block in content["instances"].items()
    }
    return ModelScores(
        mIoU=semantic["scores"]["mIoU"],
        mIoU_interval=_range(semantic["intervals"]["mIoU"]),
        scores=dict(semantic["scores"]),
        box_AP=average_precision["bbox"],
        mask_AP=average_precision["segm"],
        parameters=content["models"][side]["parameters"],
    )


def _difference(each: Mapping[str, Any]) -> Difference:
    return Difference(
        value=each["difference"],
        interval=_range(each["interval"]),
        p=each["p"],
        significant=each["significant"],
    )


def _range(limits: list[float] | None) -> Range | None:
    return None if limits is None else (limits[0], limits[1])
