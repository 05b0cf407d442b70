"""A worker: a process that predicts the photos that it is sent on standard input."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import BinaryIO

import msgspec

from instseg.core.errors import ArgumentError, InputError
from instseg.core.wording import one_line
from instseg.serving.messages import Job, Ready, Setup, framed, read_frame
from instseg.system.allocation import keep_freed_memory
from instseg.system.threads import use_threads

PROGRAM = "from instseg.serving.worker import main; main()"


def main() -> None:
    """Answer until standard input ends. Whatever is printed goes to standard error.

    Signals to end are left to the service, which may still wait for answers.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with (
        suppress(BrokenPipeError),  # the service has ended
        os.fdopen(os.dup(0), "rb") as jobs,
        os.fdopen(os.dup(1), "wb") as answers,
    ):
        os.dup2(sys.stderr.fileno(), 1)
        first = read_frame(jobs)
        if first is not None:
            _work(msgspec.msgpack.decode(first, type=Setup), jobs, answers)


def _work(setup: Setup, jobs: BinaryIO, answers: BinaryIO) -> None:
    def send(message: object) -> None:
        answers.write(framed(message))
        answers.flush()

    use_threads(setup.threads)  # before torch is imported
    keep_freed_memory()
    try:
        import numpy as np
        import torch

        from instseg.predict.predictor import Predictor
        from instseg.serving.handler import Handler

        predictor = Predictor(**setup.predictor)
        predictor(np.zeros((64, 64, 3), np.uint8))  # what the first photo would wait for
    except ArgumentError as problem:
        values = {name: str(value) for name, value in problem.values.items()}
        return send(Ready(problem=problem.message, values=values))
    except InputError as problem:
        return send(Ready(problem=str(problem)))
    except Exception as problem:
        return send(Ready(problem=one_line(f"{type(problem).__name__}: {problem}")))
    on_gpu = predictor.device.type == "cuda"
    send(Ready(weights=predictor.name, gpus=torch.cuda.device_count() if on_gpu else 0))
    handler = Handler(predictor, setup.max_pixels)
    decode = msgspec.msgpack.Decoder(list[Job]).decode
    while (frame := read_frame(jobs)) is not None:
        found = handler.answer(decode(frame))
        send(found)
        if on_gpu and any(each.cause for each in found):
            return None  # an error of CUDA stays until the process ends
    return None
