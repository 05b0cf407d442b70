"""The options of `split`."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Literal

from instseg.core.errors import ArgumentError, require_between
from instseg.core.events import OnEvent, ignore
from instseg.core.options import python_only
from instseg.formats.registry import FormatName

By = Literal["photo", "group", "video"]


@dataclass(frozen=True)
class SplitOptions:
    """Splits a dataset into train, val and test, each class by its share.

    Args:
        source: The dataset, a file or folder of any format that convert reads.
        out: The folder to make.
        to: The format to write.
        images: Folder of the photos, if they are not where the labels say.
        val: Share of the photos for validation, 0..1; 0 for none.
        test: Share of the photos for the test, 0..1; 0 for none.
        by: What stays in one split: each photo; the photos of a group, which is their folder if
            neither `group_field` nor `group_pattern` is given; or those of a video, by the field
            video_id.
        group_field: With `by` group, photos of which this field of the image record is equal.
        group_pattern: With `by` group, photos for which this regular expression finds the same in
            the file name: what its brackets capture, or all that it matches.
        copies: Keep copies of a photo, and photos that look alike, in one split. This reads every
            photo.
        again: Mix the splits that the dataset has, and draw new ones.
        seed: Random seed.
        copy_photos: Copy the photos into `out`. Without it, formats that want photos beside their
            labels, such as yolo, get links to them, and others none.
        on_event: Called with `Progress`; with `Notice` for all that cannot be kept, and with
            `Warned` for what the doctor finds.
    """

    source: str | Path
    out: str | Path
    _: KW_ONLY
    to: FormatName = "coco"
    images: str | Path | None = None
    val: float = 0.1
    test: float = 0.1
    by: By = "photo"
    group_field: str | None = None
    group_pattern: str | None = None
    copies: bool = True
    again: bool = False
    seed: int = 0
    copy_photos: bool = False
    on_event: OnEvent = python_only(ignore)

    def __post_init__(self) -> None:
        require_between(0, 1, val=self.val, test=self.test)
        require_between(0, seed=self.seed)
        if not 0 < self.val + self.test < 1:
            raise ArgumentError(
                "{val} and {test} must leave photos for training, and not all of them",
                val=self.val,
                test=self.test,
            )
        for name in ("group_field", "group_pattern"):
            if getattr(self, name) is not None and self.by != "group":
                raise ArgumentError(f"{{{name}}} needs {{by}} group")
        if self.group_field is not None and self.group_pattern is not None:
            raise ArgumentError("give {group_field} or {group_pattern}, not both")
        try:
            re.compile(self.group_pattern or "")
        except re.error as error:
            raise ArgumentError(
                f"{{group_pattern}} must be a regular expression ({error})",
                group_pattern=self.group_pattern,
            ) from None

    @property
    def shares(self) -> dict[str, float]:
        """The share of each split that is not empty; train comes first."""
        shares = {"train": 1 - self.val - self.test, "val": self.val, "test": self.test}
        return {name: share for name, share in shares.items() if share > 0}
