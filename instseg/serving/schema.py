"""The forms of requests and answers, for OpenAPI and for clients in Python."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from instseg.serving.messages import MaskForm, State

MOST_DETECTIONS = 1_000_000  # that a request may ask for


class PredictQuery(BaseModel):
    """The options of a request; others are refused."""

    model_config = ConfigDict(extra="forbid")

    masks: MaskForm = Field(
        default="rle", description="form of the masks in JSON; polygons are exact"
    )
    score_threshold: float | None = Field(
        default=None, ge=0, le=1, description="minimum score of all classes"
    )
    max_detections: int | None = Field(
        default=None,
        ge=1,
        le=MOST_DETECTIONS,
        description="at most this many, and not more than the service",
    )
    format: Literal["json", "png"] | None = Field(
        default=None,
        description="png is the photo with its instances drawn on it, as with `Accept: image/png`",
    )


class Rle(BaseModel):
    """A mask in COCO's compressed run-length encoding."""

    size: tuple[int, int] = Field(description="height and width of the photo")
    counts: str


class Instance(BaseModel):
    """One instance, as in COCO's annotations."""

    category: str = Field(description="name of the class")
    category_id: int = Field(description="its id in the dataset of the weights")
    score: float = Field(ge=0, le=1)
    bbox: tuple[float, float, float, float] = Field(
        description="x, y, width and height in pixels of the upright photo"
    )
    area: int = Field(description="pixels of the mask")
    segmentation: Rle | list[list[int]] | None = Field(
        default=None,
        description="RLE, or polygons, each x0, y0, x1, y1, ... (masks with holes stay RLE); "
        "missing with masks=none",
    )


class Prediction(BaseModel):
    """The instances in a photo, best first."""

    width: int = Field(description="of the upright photo, in pixels")
    height: int
    weights: str = Field(description="name of the weights that found them")
    instances: list[Instance]


class Problem(BaseModel):
    """Why there is no other answer."""

    detail: str = Field(description="one line")


class Health(BaseModel):
    """Whether the service takes photos."""

    status: State
    weights: str
    workers: int = Field(description="workers that are ready")
    queued: int = Field(description="photos that wait")
