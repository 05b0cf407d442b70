"""The options of `convert`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from instseg.core.errors import ArgumentError, require_between
from instseg.core.events import OnEvent, ignore
from instseg.core.options import python_only
from instseg.formats.registry import FormatName


@dataclass(frozen=True)
class ConvertOptions:
    """Converts labels from the format of one tool to that of another.

    Args:
        source: The file or folder that the tool exported. Its format is found by looking.
        out: The folder to make. For a format of one file, such as coco, also the name of that file.
        to: The format to write.
        images: Folder of the photos, if they are not where the labels say.
        from_format: The format of `source`, if it is not recognised.
        values: What the values of label maps mean, such as 1=pet,2=BG.
        tolerance: Simplify outlines by so many pixels at most, such as 1 or 1px; 0 keeps every
            pixel of the masks.
        copy_photos: Copy the photos into `out`. Without it, formats that want photos beside their
            labels, such as yolo, get links to them, and others none.
        on_event: Called with `Progress`; with `Notice` for all that cannot be kept, and with
            `Warned` for what the doctor finds.
    """

    source: str | Path
    out: str | Path
    _: KW_ONLY
    to: FormatName
    images: str | Path | None = None
    from_format: FormatName | None = None
    values: str | None = None
    tolerance: float | str = 0.0
    copy_photos: bool = False
    on_event: OnEvent = python_only(ignore)

    def __post_init__(self) -> None:
        in_pixels(self.tolerance)


def in_pixels(tolerance: float | str) -> float:
    """A tolerance in pixels, from a number or text such as `1px`.

    Raises:
        ArgumentError: It is no number, or not within 0..1000.
    """
    try:
        pixels = float(str(tolerance).strip().removesuffix("px"))
    except ValueError:
        wrong = "{tolerance} must be a number of pixels, such as 1 or 1px"
        raise ArgumentError(wrong, tolerance=tolerance) from None
    require_between(0, 1000, tolerance=pixels)
    return pixels
