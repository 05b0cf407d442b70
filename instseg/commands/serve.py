"""`instseg serve`: answers requests over HTTP."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from instseg.commands.listener import Listener
from instseg.commands.terminal import console
from instseg.core.errors import InputError
from instseg.core.wording import count
from instseg.serving.options import ServeOptions

if TYPE_CHECKING:
    from instseg.serving.server import Service


@dataclass(frozen=True, kw_only=True)
class Options(ServeOptions):
    """The options of the command line: only names and paths."""

    weights: str


Options.__doc__ = ServeOptions.__doc__  # the help text


def run(config: Options) -> int:
    """Returns 0 when it was stopped; 1 if some requests were not answered then."""
    try:
        from instseg.serving.server import Service
    except ImportError as problem:
        raise InputError(
            f"serve needs {problem.name}, which is not installed: pip install 'instseg[serve]'"
        ) from problem
    with Listener() as show:
        service = Service(ServeOptions(**{**vars(config), "on_event": show}))
        with _stopping(service):
            done = service.run()
    line = f"{count(done.photos, 'photo')} predicted"
    if done.restarts:
        line += f"; {count(done.restarts, 'worker')} ended and were replaced"
    if not done.all_answered:
        line += "; some requests were not answered in time"
    console.print(line)
    return 0 if done.all_answered else 1


@contextmanager
def _stopping(service: Service) -> Iterator[None]:
    """SIGTERM and Ctrl-C stop the service; the second one does not wait for answers."""
    if threading.current_thread() is not threading.main_thread():  # which alone may set handlers
        yield
        return
    numbers = signal.SIGTERM, signal.SIGINT
    before = [signal.signal(number, lambda *_: service.stop()) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
