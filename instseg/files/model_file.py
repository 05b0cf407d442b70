"""Model files: safetensors whose header contains everything needed to rebuild the model."""

import json
import struct
from collections import Counter
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from instseg.core.errors import InputError
from instseg.files.card_checks import check_against_tensors, check_outputs
from instseg.files.model_card import ModelCard
from instseg.system.atomic import replacing
from instseg.system.regular import require_regular_file

if TYPE_CHECKING:  # torch takes seconds to import, and a header is read without it
    import torch

_KEY = "instseg"

_STATISTICS = (".running_mean", ".running_var")  # of BatchNorm, which are no parameters

_Count = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


class _Tensor(msgspec.Struct):
    """The entry of a tensor in the header of a safetensors file."""

    dtype: str
    shape: list[_Count]
    data_offsets: tuple[_Count, _Count]


class _Header(msgspec.Struct):
    """The header of a safetensors file."""

    metadata: dict[str, str]
    tensors: dict[str, _Tensor]


def save_model_file(
    path: str | Path,
    state_dict: "Mapping[str, torch.Tensor]",
    card: ModelCard,
    *,
    dtype: "torch.dtype | None" = None,
) -> None:
    """Write a model file atomically.

    Args:
        path: The file, usually ``*.safetensors``; folders are made as needed.
        state_dict: Tensors by name, on any device.
        card: The model card.
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
    """Write the tensors of a model file, unchanged, with another card.

    Args:
        path: The model file.
        card: The card of the new file.
        target: The new file, which may be the old one.

    Raises:
        InputError: The file is damaged, or the new one cannot be written.
    """
    from safetensors.torch import save

    tensors = _load_tensors(path)
    with replacing(target, durable=True) as temporary:
        temporary.write_bytes(save(tensors, metadata={_KEY: card.to_json()}))


def load_model_file(path: str | Path) -> "tuple[ModelCard, dict[str, torch.Tensor]]":
    """Read a model file.

    Returns:
        The card, and the tensors on the CPU; floating-point tensors are float32.

    Raises:
        InputError: The file is missing, damaged or no model file.
    """
    card = read_model_card(path)
    tensors = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in _load_tensors(Path(path)).items()
    }
    _require_finite(path, tensors)
    return card, tensors


def _load_tensors(path: Path) -> "dict[str, torch.Tensor]":
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, torch.Tensor] = load_file(path)
    except (SafetensorError, OSError, ValueError, LookupError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: damaged ({reason}); copy or download it again") from error
    return tensors


def _require_finite(path: str | Path, tensors: "Mapping[str, torch.Tensor]") -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise InputError(
                f"{path}: {name} holds numbers that are not finite; "
                "the training has diverged, or the file is damaged"
            )


def read_model_card(path: str | Path) -> ModelCard:
    """Read the card of a model file, without its tensors and without torch.

    Raises:
        InputError: The file is missing, damaged or no model file.
    """
    return _card(Path(path), _read_header(Path(path)))


def describe(path: str | Path) -> dict[str, Any]:
    """Describe a model file from its header alone.

    Returns:
        ``card`` (a `ModelCard`), ``tensors`` (their number), ``parameters`` (number of values in
        floating-point tensors without BatchNorm's running statistics), ``dtypes`` (safetensors'
        name to number of tensors) and ``bytes`` (size of the file).

    Raises:
        InputError: The file is missing, damaged or no model file.
    """
    path = Path(path)
    header = _read_header(path)
    tensors = header.tensors.values()
    return {
        "card": _card(path, header),
        "tensors": len(tensors),
        "parameters": sum(
            prod(tensor.shape)
            for name, tensor in header.tensors.items()
            if "F" in tensor.dtype and not name.endswith(_STATISTICS)
        ),
        "dtypes": dict(Counter(tensor.dtype for tensor in tensors)),
        "bytes": path.stat().st_size,
    }


def _read_header(path: Path) -> _Header:
    """Read the JSON header of a safetensors file: 8 bytes of length, the JSON, then the tensors."""
    require_regular_file(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > size:
                raise ValueError("a header longer than the file")
            entries = json.loads(file.read(length))
        metadata = entries.pop("__metadata__", {})
        header = msgspec.convert({"metadata": metadata, "tensors": entries}, _Header)
        end = max((tensor.data_offsets[1] for tensor in header.tensors.values()), default=0)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (
        *(struct.error, ValueError, LookupError, TypeError, AttributeError, RecursionError),
        msgspec.ValidationError,
    ) as error:
        raise InputError(
            f"{path}: not a safetensors file, or damaged; give a model file of instseg"
        ) from error
    if size != 8 + length + end:
        raise InputError(
            f"{path}: cut off or damaged ({size} bytes, expected {8 + length + end}); "
            "copy or download it again"
        )
    return header


def _card(path: Path, header: _Header) -> ModelCard:
    text = header.metadata.get(_KEY)
    if text is None:
        raise InputError(
            f"{path}: safetensors without the header of a model file; save it with instseg"
        )
    try:
        card = ModelCard.from_json(text)
        shapes = [tensor.shape for tensor in header.tensors.values()]
        check_outputs(card.architecture_args, card.category_ids)
        check_against_tensors(card.architecture_args, shapes)
    except ValueError as error:
        raise InputError(
            f"{path}: its header cannot be used ({error}); update instseg or save the model again"
        ) from error
    return card


def load_torch_state_dict(path: str | Path) -> "dict[str, torch.Tensor]":
    """Read a ``.pth`` file of plain weights; code in its pickle is not run.

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
    _require_finite(path, state_dict)
    return dict(state_dict)
