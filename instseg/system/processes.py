"""Several processes that torchrun has started; without torchrun there is one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from instseg.core.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

Value = TypeVar("Value")


def process_rank() -> int:
    """Rank of this process; rank 0 measures and writes."""
    return int(os.environ.get("RANK", "0"))


def process_count() -> int:
    """Number of processes that torchrun has started."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def process_device(name: str) -> str:
    """The device of this process: with `auto` and `cuda`, each process uses a different GPU.

    Raises:
        InputError: There are more processes than GPUs.
    """
    import torch

    if name not in ("auto", "cuda") or process_count() == 1 or not torch.cuda.is_available():
        return name
    gpus, here = torch.cuda.device_count(), int(os.environ["LOCAL_RANK"])
    if here >= gpus:
        raise InputError(
            f"--nproc-per-node: each process needs a GPU of its own, and there are {gpus}; "
            f"start {gpus}, or add --device cpu"
        )
    return f"cuda:{here}"


@contextmanager
def joined_processes() -> Iterator[None]:
    """Connect the processes within the block, if nobody has done so."""
    if process_count() == 1:
        yield
        return
    import torch
    import torch.distributed as dist

    if dist.is_initialized():  # by Ray Train, say
        yield
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, timeout=timedelta(days=1))  # shares may differ by hours
    try:
        yield
    finally:
        dist.destroy_process_group()


def average(tensors: Sequence[Tensor]) -> None:
    """Replace tensors of one dtype and device by their mean over all processes, in one message."""
    if process_count() == 1 or not tensors:
        return
    import torch
    import torch.distributed as dist

    flat = torch.cat([tensor.flatten() for tensor in tensors])
    dist.all_reduce(flat)
    flat /= process_count()
    for tensor, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(mean.view_as(tensor))


def from_first(value: Value) -> Value:
    """The value of the first process; the others wait for it."""
    if process_count() == 1:
        return value
    import torch.distributed as dist

    values = [value]
    dist.broadcast_object_list(values)
    return values[0]


def to_first(value: Value) -> list[Value] | None:
    """The values of all processes by rank, in the first of them; None in the others.

    Raises:
        InputError: Another process has failed.
    """
    if process_count() == 1:
        return [value]
    import torch.distributed as dist

    values: list[Any] | None = [None] * process_count() if process_rank() == 0 else None
    try:
        dist.gather_object(value, values)
    except RuntimeError as error:
        raise InputError("another process has failed; its own message says why") from error
    return values
