"""The device and precision of a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from instseg.core.errors import ArgumentError, InputError

if TYPE_CHECKING:
    import torch

PRECISIONS = ("auto", "fp32", "bf16")


def choose_device(name: str | torch.device) -> torch.device:
    """The device of a name; `auto` takes a GPU (CUDA, then Apple's MPS) if there is one."""
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        torch.zeros(1, device=name).item()
        return torch.device(name)
    except (RuntimeError, AssertionError) as error:
        raise ArgumentError(
            f"{{device}} {name} is not available on this machine; use cpu"
        ) from error


def choose_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The dtype of a precision; `auto` takes bfloat16 if `device` supports it natively."""
    import torch

    if precision not in PRECISIONS:
        raise InputError(f"precision {precision!r} is unknown; use one of {', '.join(PRECISIONS)}")
    if precision == "auto":
        return torch.bfloat16 if has_native_bf16(device) else torch.float32
    return torch.bfloat16 if precision == "bf16" else torch.float32


def has_native_bf16(device: torch.device) -> bool:
    """Whether the device supports bfloat16 products natively, without emulation."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    if hasattr(torch.cpu, "get_capabilities"):
        found = torch.cpu.get_capabilities()
        return bool(found.get("avx512_bf16") or found.get("amx_tile"))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


@contextmanager
def forked_rng(device: str) -> Iterator[None]:
    """Restore the state of torch's random generators after the block.

    Args:
        device: Name of the device that is used; a seed also reaches all GPUs that are in use.
    """
    import torch

    used = torch.cuda.is_initialized() or (
        torch.cuda.is_available() and device.startswith(("auto", "cuda"))
    )
    gpus = range(torch.cuda.device_count()) if used else ()
    with torch.random.fork_rng(gpus):
        yield
