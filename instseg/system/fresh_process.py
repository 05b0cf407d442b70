"""Calls a function in a new Python process, to measure its cost."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from instseg.core.errors import InputError

Result = TypeVar("Result")

_PROGRAM = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from instseg.system.fresh_process import answer; answer()"
)


def in_fresh_process(
    measure: Callable[..., Result], side: str, *arguments: Any, **options: Any
) -> Result:
    """Call `measure(side, *arguments, **options)` in a new process.

    Unlike with `multiprocessing`, the process does not run the caller's main module again, so
    scripts need no `if __name__ == "__main__"`.

    Args:
        measure: A function of a module, found there by its name.
        side: What is measured, for the message.
        arguments: Whatever can be pickled.
        options: Likewise.

    Raises:
        InputError: The process is killed.
        Exception: What the function raises.
    """
    request = pickle.dumps(sys.path) + pickle.dumps((measure, side, arguments, options))
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], input=request, stdout=subprocess.PIPE, check=False
    )
    if done.returncode:
        raise InputError(
            f"{side}: its process ran out of memory or was killed; free memory, or measure less"
        )
    result, problem = pickle.loads(done.stdout)
    if problem is not None:
        raise problem
    found: Result = result
    return found


def answer() -> None:
    """Call the function that standard input names, and write the result to standard output.

    Output of the function itself goes to standard error.
    """
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as output:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        measure, side, arguments, options = pickle.load(sys.stdin.buffer)
        try:
            reply: tuple[Any, BaseException | None] = measure(side, *arguments, **options), None
        except BaseException as problem:
            reply = None, problem
        output.write(pickle.dumps(reply))
