"""How much memory a network needs for its feature maps, found without computing any of them."""

from __future__ import annotations

import copy
import weakref
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

SIDE = 256  # pixels of the image that is followed


def live_bytes_per_pixel(network: nn.Module, channels: int) -> float:
    """Most bytes that tensors between the layers have at once, for each pixel of an image.

    Args:
        network: Images float32 (1, C, H, W) to any result.
        channels: C.
    """
    known: dict[int, Any] = {
        id(each): torch.empty_like(each, device="meta") for each in network.buffers()
    }
    for each in network.parameters():
        known[id(each)] = nn.Parameter(torch.empty_like(each, device="meta"), requires_grad=False)
    hollow = copy.deepcopy(network, known).eval()
    image = torch.empty(1, channels, SIDE, SIDE, device="meta")
    with torch.inference_mode(), _Live() as live:
        hollow(image)
    return live.most / SIDE**2


class _Live(TorchDispatchMode):
    """Adds up the sizes of the tensors that operations make, while something refers to them."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self._known: dict[int, int] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_iter(made):
            if not isinstance(tensor, torch.Tensor):
                continue
            storage = tensor.untyped_storage()
            key = storage._cdata
            if key not in self._known:
                self._known[key] = storage.nbytes()
                self.now += storage.nbytes()
                self.most = max(self.most, self.now)
                weakref.finalize(storage, self._end, key)
        return made

    def _end(self, key: int) -> None:
        self.now -= self._known.pop(key)
