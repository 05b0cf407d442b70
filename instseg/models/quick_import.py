"""Imports torchvision without torch's compiler, which would take as long as torch itself."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

_COMPILER = "torch._dynamo.utils"


class _Deferred(ModuleType):
    """Stands for the compiler's module while torchvision is imported, and loads it when used.

    torchvision's RoIAlign takes one function from it, which it calls only in programs that compile.
    """

    @staticmethod
    def is_compile_supported(device_type: str) -> bool:
        """As the function that it stands for."""
        return bool(importlib.import_module(_COMPILER).is_compile_supported(device_type))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked for by the import system
            raise AttributeError(name)
        _remove(self)
        return getattr(importlib.import_module(_COMPILER), name)


def import_torchvision() -> None:
    """Import torchvision, unless it or the compiler are there already."""
    if "torchvision" in sys.modules or _COMPILER in sys.modules:
        return
    import torch  # noqa: F401  # outside, as it may need the compiler's module itself

    if _COMPILER in sys.modules:
        return
    stand_in = _Deferred(_COMPILER)
    sys.modules[_COMPILER] = stand_in
    try:
        import torchvision  # noqa: F401
    finally:
        _remove(stand_in)


def _remove(stand_in: ModuleType) -> None:
    if sys.modules.get(_COMPILER) is stand_in:
        del sys.modules[_COMPILER]
