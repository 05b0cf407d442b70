"""How much memory a network needs for its feature maps, found with a small image."""

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
    weights = [*network.parameters(), *network.buffers()]
    same = copy.deepcopy(network, {id(each): each for each in weights}).eval()
    image = torch.zeros(1, channels, SIDE, SIDE, device=weights[0].device)
    with torch.inference_mode(), _Live() as live:
        same(image)
    return live.most / SIDE**2


class _Live(TorchDispatchMode):
    """Adds up the sizes of the tensors that operations make, while something refers to them."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else torch loads its compiler, in two seconds and 150 MB

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
