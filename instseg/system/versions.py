"""Versions and hardware, recorded with measurements."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from typing import Any


def versions() -> dict[str, Any]:
    """Versions of the libraries and of Python, and the processor."""
    import torch
    import torchvision

    return {
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        **{name: version(name) for name in ("numpy", "pycocotools")},
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
    }
