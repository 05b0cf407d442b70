"""OpenVINO's core, which stays loaded."""

from __future__ import annotations

import functools
import os
import threading
from typing import Any

_opening = threading.Lock()


def openvino_core() -> Any:
    """The core of this process.

    Its CPU plugin gives the thread that loads it a stack for signal handlers. If the plugin were
    unloaded in another thread, the next signal, such as that of Ctrl-C, would end the process.
    """
    with _opening:
        return _core_of(os.getpid())


@functools.cache
def _core_of(process: int) -> Any:  # after a fork, its threads are gone
    import openvino

    return openvino.Core()
