"""Silences image decoders while they read; errors are still raised."""

from __future__ import annotations

import ctypes
import logging
import threading
import warnings
from contextlib import ExitStack
from typing import Any

from PIL import Image


class QuietDecoders:
    """A `with` block in which Pillow, tifffile and libtiff print nothing.

    They warn of unusual metadata in readable photos. Warnings, log handlers and libtiff's error
    handler belong to the whole process, so the first of several threads turns them off and the last
    one restores them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._undo = ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._undo.enter_context(warnings.catch_warnings())
                warnings.filterwarnings("ignore", module=r"PIL\.")
                self._silence_logs()
                self._silence_libtiff()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._undo.close()

    def _silence_logs(self) -> None:
        handler = logging.NullHandler()  # else records without a handler go to standard error
        for name in ("PIL", "tifffile"):
            logger = logging.getLogger(name)
            logger.addHandler(handler)
            self._undo.callback(logger.removeHandler, handler)

    def _silence_libtiff(self) -> None:
        set_handler = _libtiffs_setter()
        if set_handler:
            self._undo.callback(set_handler, set_handler(None))


def _libtiffs_setter() -> Any:
    """`TIFFSetErrorHandler` of the libtiff that Pillow uses; None if it is not found."""
    try:
        set_handler = ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler
    except (OSError, AttributeError, TypeError):
        return None
    set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
    return set_handler


quiet_decoders = QuietDecoders()
