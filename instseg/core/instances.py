"""The instances of one image: the type that connects all parts of the package."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from instseg.core.html_table import html_table
from instseg.core.masks import Index, Masks, chosen_rows, read_only
from instseg.core.outline_picture import outline_picture
from instseg.core.wording import printable

__all__ = ["Instances", "Masks"]

SHOWN_ROWS = 100  # of the table in a notebook


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Instances:
    """The predicted or annotated instances of one image. Indexing filters every field.

    All fields accept array-likes; they are stored as read-only arrays with these dtypes.

    Attributes:
        boxes: float32 (N, 4), x0 y0 x1 y1 in pixels of the original image.
        class_ids: int64 (N,), 1..K; 0 is the background and never an instance.
        scores: float32 (N,), 0..1; 1 for ground truth.
        masks: N masks of the image.
        class_names: K+1 names, index = class id; the first is "BG".
    """

    boxes: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    scores: NDArray[np.float32]
    masks: Masks
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.masks, Masks):
            raise ValueError(
                f"masks: expected Masks, got {type(self.masks).__name__}; Masks.from_dense makes "
                "them of an array (N, H, W)"
            )
        count = len(self.masks)
        boxes = np.asarray(self.boxes, dtype=np.float32)
        arrays: dict[str, NDArray[Any]] = {
            "boxes": boxes if boxes.size else boxes.reshape(0, 4),  # [] is no boxes
            "class_ids": _whole_numbers(self.class_ids),
            "scores": np.asarray(self.scores, dtype=np.float32),
        }
        for name, array in arrays.items():
            expected = (count, 4) if name == "boxes" else (count,)
            if array.shape != expected:
                raise ValueError(
                    f"{name}: expected shape {expected} for {count} masks, got {array.shape}"
                )
            object.__setattr__(self, name, read_only(array))
        object.__setattr__(self, "class_names", tuple(self.class_names))
        self._check_values()

    def _check_values(self) -> None:
        if self.class_names[:1] != ("BG",):
            raise ValueError(f'class_names: expected "BG" first, got {self.class_names[:3]}')
        last = len(self.class_names) - 1
        for field, wrong, expected in (
            ("boxes", ~np.isfinite(self.boxes).all(axis=1), "finite numbers"),
            ("class_ids", (self.class_ids < 1) | (self.class_ids > last), f"1..{last}"),
            ("scores", ~((self.scores >= 0) & (self.scores <= 1)), "0..1"),
        ):
            if wrong.any():
                row = int(wrong.argmax())
                value = getattr(self, field)[row].tolist()
                raise ValueError(f"{field}: expected {expected}, got {value} in row {row}")

    @classmethod
    def empty(cls, size_hw: tuple[int, int], class_names: Sequence[str]) -> Instances:
        """No instances, in an image of this size."""
        return cls(
            boxes=np.zeros((0, 4), dtype=np.float32),
            class_ids=np.zeros(0, dtype=np.int64),
            scores=np.zeros(0, dtype=np.float32),
            masks=Masks.empty(size_hw),
            class_names=tuple(class_names),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Instances]) -> Instances:
        """The instances of all parts, in order: at least one part, all of one image and classes."""
        if len({part.class_names for part in parts}) > 1:
            lengths = [len(part.class_names) for part in parts]
            raise ValueError(f"class_names: expected the same in every part, got {lengths} names")
        masks = Masks.concatenate([part.masks for part in parts])
        return cls(
            boxes=np.concatenate([part.boxes for part in parts]),
            class_ids=np.concatenate([part.class_ids for part in parts]),
            scores=np.concatenate([part.scores for part in parts]),
            masks=masks,
            class_names=parts[0].class_names,
        )

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the image."""
        return self.masks.size_hw

    @property
    def names(self) -> list[str]:
        """The class name of each instance."""
        return [self.class_names[i] for i in self.class_ids]

    def __len__(self) -> int:
        return len(self.masks)

    def __repr__(self) -> str:
        counts = Counter(map(printable, self.names)).most_common()
        found = ", ".join(f"{count} {name}" for name, count in counts)
        head = f"{len(self)} in {self.size_hw[0]} x {self.size_hw[1]}"
        return f"Instances({head}: {found})" if found else f"Instances({head})"

    def _repr_html_(self) -> str:
        """For notebooks: the outlines, and a table."""
        return self.to_html()

    def to_html(self, *, photo: str = "") -> str:
        """The outlines and a table as HTML without a script.

        At most 300 outlines are drawn, in a picture of at most 640 pixels, and 100 rows listed.

        Args:
            photo: Address of the photo behind the outlines, as `data:image/jpeg;base64,...`; by
                default they are on grey. `visualize.show_instances` takes the photo itself.
        """
        names = [printable(name) for name in self.names]
        columns = zip(
            names,
            self.scores.tolist(),
            self.masks.areas().tolist(),
            self.boxes.tolist(),
            strict=True,
        )
        rows: list[tuple[object, ...]] = [
            (i, name, f"{score:.3f}", f"{area:,}", ", ".join(f"{side:.1f}" for side in box))
            for i, (name, score, area, box) in enumerate(islice(columns, SHOWN_ROWS))
        ]
        if len(self) > SHOWN_ROWS:
            rows.append(("", f"and {len(self) - SHOWN_ROWS} more", "", "", ""))
        heads = ("", "class", "score", "area (px)", "box x0, y0, x1, y1 (px)")
        table = html_table(heads, rows, caption=repr(self))
        if not len(self) and not photo:
            return table
        texts = [
            f"{i}: {name} {score:.2f}"
            for i, (name, score) in enumerate(zip(names, self.scores.tolist(), strict=True))
        ]
        return outline_picture(self.masks, names, texts, photo=photo) + table

    def __getitem__(self, index: Index) -> Instances:
        """The chosen instances, as Instances: an int gives one of length 1."""
        rows = chosen_rows(index, len(self))
        return Instances(
            boxes=self.boxes[rows],
            class_ids=self.class_ids[rows],
            scores=self.scores[rows],
            masks=self.masks[rows],
            class_names=self.class_names,
        )

    def __iter__(self) -> Iterator[Instances]:
        """Each instance in turn, as Instances of length 1."""
        return (self[i] for i in range(len(self)))


def _whole_numbers(class_ids: ArrayLike) -> NDArray[np.int64]:
    """Class ids as int64; 1.0 is 1, but 1.9 is an error, and so are strings and bools."""
    given = np.asarray(class_ids)
    known = given.dtype.kind in "iuf" and bool((np.abs(given.astype(np.float64)) < 2**53).all())
    if not known or (given != np.rint(given)).any():
        raise ValueError(f"class_ids: expected whole numbers, got {given.ravel()[:8].tolist()}")
    return given.astype(np.int64, copy=False)
