"""Model files: safetensors that say in their header all that rebuilds the model."""

import json
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instseg.core.errors import InputError
from instseg.system.atomic import replacing

if TYPE_CHECKING:  # torch takes seconds to import, and a header is read without it
    import torch

FORMAT_VERSION = 1
PHOTOS, ARRAYS = "photos", "arrays"  # what a semantic network was trained on
_KEY = "instseg"


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a model file knows about its model; every field can be written as JSON.

    Attributes:
        architecture: A name that `instseg.models` builds, such as ``resnet50_fpn_v2``.
        architecture_args: Keyword arguments of that builder.
        class_names: Class id to name; the first is ``BG``.
        category_ids: Class id to the dataset's category id; the first is 0.
        preprocessing: ``min_size`` and ``max_size`` in pixels, ``mean`` and ``std`` of RGB in 0..1;
            of semantic networks also ``input``: ``photos`` (uint8, grey or RGB) or ``arrays`` (of
            any channels and units, which are those of ``mean`` and ``std``).
        thresholds: Class name to the score from which a detection counts; classes may be missing.
        provenance: Where the weights come from: data fingerprint, config, metrics, licence.

    Raises:
        ValueError: Names and ids do not fit together.
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
        if unknown := self.thresholds.keys() - set(self.class_names):
            raise ValueError(f"thresholds for unknown classes: {sorted(unknown)}")

    @property
    def takes_photos(self) -> bool:
        """Whether the network was trained on photos, not on arrays of other channels or units."""
        prepare = self.preprocessing
        if "input" in prepare:
            return bool(prepare["input"] == PHOTOS)
        # Older files do not say: values in 0..1 have such means and standard deviations.
        in_range = all(0 <= mean <= 1 for mean in prepare["mean"]) and max(prepare["std"]) <= 0.5
        return in_range and len(prepare["mean"]) in (1, 3)

    def to_json(self) -> str:
        """Write the card as the JSON that a model file holds."""
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
                raise ValueError(f"format version {version}, this instseg knows {FORMAT_VERSION}")
            return cls(**fields)
        except (TypeError, AttributeError, KeyError) as error:
            raise ValueError(f"fields missing or unknown: {error}") from error


def save_model_file(
    path: str | Path,
    state_dict: "Mapping[str, torch.Tensor]",
    card: ModelCard,
    *,
    dtype: "torch.dtype | None" = None,
) -> None:
    """Write a model file, whole or not at all.

    Args:
        path: The file, by custom ``*.safetensors``; folders are made as needed.
        state_dict: Tensors by name, on any device.
        card: What the file says about them.
        dtype: Store floating-point tensors as this; others keep their type.

    Raises:
        InputError: The file cannot be written.
    """
    from safetensors.torch import save

    tensors = {
        name: tensor.detach()
        .to(device="cpu", dtype=dtype if tensor.is_floating_point() else None, copy=True)
        .contiguous()
        for name, tensor in state_dict.items()
    }
    with replacing(Path(path), durable=True) as temporary:
        temporary.write_bytes(save(tensors, metadata={_KEY: card.to_json()}))  # save_file: mode 600


def with_card(path: Path, card: ModelCard, target: Path) -> None:
    """Write a model file's tensors, as they are stored, with another card.

    Args:
        path: The model file.
        card: What the new file says about the tensors.
        target: The new file, which may be the old one.

    Raises:
        InputError: The file is damaged, or the new one cannot be written.
    """
    from safetensors.torch import load_file, save

    with replacing(target, durable=True) as temporary:
        temporary.write_bytes(save(load_file(path), metadata={_KEY: card.to_json()}))


def load_model_file(path: str | Path) -> "tuple[ModelCard, dict[str, torch.Tensor]]":
    """Read a model file.

    Returns:
        The card, and the tensors on the CPU; floating-point tensors are float32.

    Raises:
        InputError: The file is missing, damaged or no model file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    card = read_model_card(path)
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise InputError(f"{path}: damaged ({error}); copy or download it again") from error
    return card, {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }


def read_model_card(path: str | Path) -> ModelCard:
    """Read what a model file says about itself, without its tensors and without torch.

    Raises:
        InputError: The file is missing, damaged or no model file.
    """
    return _card(Path(path), _read_header(Path(path)))


def describe(path: str | Path) -> dict[str, Any]:
    """Describe a model file from its header alone.

    Returns:
        ``card`` (a `ModelCard`), ``tensors`` (how many), ``parameters`` (numbers in floating-point
        tensors, running statistics included), ``dtypes`` (safetensors' name to number of tensors)
        and ``bytes`` (size of the file).

    Raises:
        InputError: The file is missing, damaged or no model file.
    """
    path = Path(path)
    header = _read_header(path)
    tensors = [entry for name, entry in header.items() if name != "__metadata__"]
    return {
        "card": _card(path, header),
        "tensors": len(tensors),
        "parameters": sum(prod(t["shape"]) for t in tensors if "F" in t["dtype"]),
        "dtypes": dict(Counter(t["dtype"] for t in tensors)),
        "bytes": path.stat().st_size,
    }


def _read_header(path: Path) -> dict[str, Any]:
    """Read the JSON of a safetensors file: its length in 8 bytes, itself, then the tensors."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > size:
                raise ValueError("a header longer than the file")
            header: dict[str, Any] = json.loads(file.read(length))
        entries = [entry for name, entry in header.items() if name != "__metadata__"]
        end = max((entry["data_offsets"][1] for entry in entries), default=0)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (struct.error, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: not a safetensors file, or damaged; give a model file of instseg"
        ) from error
    if size != 8 + length + end:
        raise InputError(
            f"{path}: cut off or damaged ({size} bytes, expected {8 + length + end}); "
            "copy or download it again"
        )
    return header


def _card(path: Path, header: dict[str, Any]) -> ModelCard:
    text = header.get("__metadata__", {}).get(_KEY)
    if text is None:
        raise InputError(
            f"{path}: safetensors without the header of a model file; save it with instseg"
        )
    try:
        return ModelCard.from_json(text)
    except ValueError as error:
        raise InputError(
            f"{path}: its header cannot be used ({error}); update instseg or save the model again"
        ) from error


def load_torch_state_dict(path: str | Path) -> "dict[str, torch.Tensor]":
    """Read a ``.pth`` of plain weights; code in its pickle is never run.

    Args:
        path: A state dict, or a checkpoint that holds one under ``model``.

    Returns:
        The tensors by name, on the CPU, in the types they were saved in.

    Raises:
        InputError: The file is missing, damaged or holds anything but weights.
    """
    from pickle import UnpicklingError

    import torch

    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise InputError(
            f"{path}: refused: it holds code or other objects beside weights, or is damaged; "
            "save only the model's state_dict()"
        ) from error
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the name") from None
    except Exception as error:  # torch raises all kinds of errors on damaged files
        raise InputError(
            f"{path}: not a file of torch weights, or damaged; copy or download it again"
        ) from error
    state_dict = loaded.get("model", loaded) if isinstance(loaded, dict) else None
    if not isinstance(state_dict, dict) or not all(
        isinstance(value, torch.Tensor) for value in state_dict.values()
    ):
        raise InputError(f"{path}: holds no state dict; save the model's state_dict()")
    return dict(state_dict)
