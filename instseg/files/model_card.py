"""What a model file says about its model."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Any

import msgspec

from instseg.core.errors import ArgumentError
from instseg.core.wording import count, some
from instseg.files.card_checks import check_classes, check_preprocessing, check_thresholds

FORMAT_VERSION = 1
PHOTOS, ARRAYS = "photos", "arrays"  # what a semantic network was trained on


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """The description of a model in its file; every field can be written as JSON.

    Attributes:
        architecture: A name that `instseg.models` builds, such as ``resnet50_fpn_v2``.
        architecture_args: Keyword arguments of that builder.
        class_names: Class id to name; the first is ``BG``.
        category_ids: Class id to the dataset's category id; the first is 0.
        preprocessing: ``min_size`` and ``max_size`` in pixels, ``mean`` and ``std`` of RGB in 0..1;
            of semantic networks also ``input``: ``photos`` (uint8, grey or RGB) or ``arrays`` (of
            any channels and units, which are those of ``mean`` and ``std``).
        thresholds: Class name to score threshold; classes may be missing.
        provenance: Where the weights come from: data fingerprint, config, metrics, licence.

    Raises:
        ValueError: Names and ids do not match.
    """

    architecture: str
    architecture_args: dict[str, Any]
    class_names: tuple[str, ...]
    category_ids: tuple[int, ...]
    preprocessing: dict[str, Any]
    thresholds: dict[str, float]
    provenance: dict[str, Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "class_names", tuple(self.class_names))
        object.__setattr__(self, "category_ids", tuple(self.category_ids))
        if self.class_names[:1] != ("BG",) or self.category_ids[:1] != (0,):
            raise ValueError(
                "expected class 0 to be 'BG' with category id 0, "
                f"got {self.class_names[:1]} with {self.category_ids[:1]}"
            )
        if len(self.class_names) != len(self.category_ids):
            raise ValueError(
                f"expected a category id for each of the {len(self.class_names)} classes, "
                f"got {len(self.category_ids)}"
            )
        check_classes(self.class_names, self.category_ids)
        check_thresholds(self.thresholds)
        check_preprocessing(self.preprocessing)
        if unknown := self.thresholds.keys() - set(self.class_names):
            raise ValueError(f"thresholds for unknown classes: {sorted(unknown)}")

    def in_words(self) -> str:
        """`compact, 16 classes: person, car, ...`."""
        names = self.class_names[1:]
        return f"{self.architecture}, {count(len(names), 'class')}: {some(names)}"

    def class_ids_of(self, names: Sequence[str]) -> frozenset[int]:
        """The ids of some classes.

        Raises:
            ArgumentError: One of them is not there.
        """
        known = self.class_names[1:]
        unknown = [name for name in names if name not in known]
        if unknown:
            close = [near for name in unknown for near in get_close_matches(name, known, n=1)]
            meant = f"did you mean {', '.join(close)}? " if close else ""
            raise ArgumentError(
                f"{{classes}}: these weights have no {', '.join(unknown)}; {meant}"
                f"their classes are {', '.join(known)}"
            )
        return frozenset(self.class_names.index(name) for name in names)

    @property
    def trained_tile(self) -> int | None:
        """The side in pixels of the windows of photos that it was trained on; None if on photos."""
        recipe = self.provenance.get("recipe")
        tile = recipe.get("tile") if isinstance(recipe, dict) else None
        return tile if type(tile) is int else None

    def tile_notice(self, tile: int | None) -> str | None:
        """What to tell a user whose tiles are not those of the training; else None."""
        trained = self.trained_tile
        if trained is None or trained == tile:
            return None
        return f"was trained on tiles of {trained} px; give tile {trained} for larger photos"

    @property
    def takes_photos(self) -> bool:
        """Whether the network was trained on photos, not on arrays of other channels or units."""
        prepare = self.preprocessing
        if "input" in prepare:
            return bool(prepare["input"] == PHOTOS)
        # Older files lack this field: these are means and standard deviations of values in 0..1.
        in_range = all(0 <= mean <= 1 for mean in prepare["mean"]) and max(prepare["std"]) <= 0.5
        return in_range and len(prepare["mean"]) in (1, 3)

    def to_json(self) -> str:
        """Write the card as JSON, for a model file."""
        return json.dumps({"format_version": FORMAT_VERSION, **asdict(self)})

    @classmethod
    def from_json(cls, text: str) -> "ModelCard":
        """Read what `to_json` wrote.

        Raises:
            ValueError: The JSON is damaged or of a newer format version.
        """
        try:
            fields = json.loads(text)
            version = fields.pop("format_version")
            if version != FORMAT_VERSION:
                raise ValueError(f"format version {version}, this instseg reads {FORMAT_VERSION}")
            if unknown := fields.keys() - {field.name for field in dataclasses.fields(cls)}:
                raise ValueError(f"fields unknown: {sorted(unknown)}")
            return msgspec.convert(fields, cls)
        except (TypeError, AttributeError, KeyError, msgspec.ValidationError) as error:
            raise ValueError(f"fields missing or of another type: {error}") from error
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
