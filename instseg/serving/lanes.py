"""Where photos are predicted: in processes of their own, or in threads of this one."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from copy import copy
from typing import TYPE_CHECKING, Protocol

import msgspec

from instseg.core.errors import ArgumentError, InputError
from instseg.serving.messages import LENGTH_BYTES, Answer, Job, Ready, Setup, framed
from instseg.serving.worker import PROGRAM
from instseg.system.threads import only_here

if TYPE_CHECKING:
    from instseg.predict.predictor import Predictor

KEY_VARIABLE = "INSTSEG_API_KEY"
END_S = 2.0  # that an idle worker may take to end


class LaneEndedError(Exception):
    """A worker has ended before it answered."""


class Lane(Protocol):
    """Predicts one batch after another."""

    @property
    def alive(self) -> bool:
        """Whether it was started, and has not ended by itself."""

    async def start(self) -> Ready:
        """Make it ready, also again after it has ended.

        Raises:
            InputError: It cannot work, and will not with these options.
            LaneEndedError: It has ended before it was ready.
        """

    async def ask(self, jobs: Sequence[Job]) -> list[Answer]:
        """The answers to a batch.

        Raises:
            LaneEndedError: It has ended; it may be started again.
        """

    async def stop(self) -> None:
        """End it."""

    def kill(self) -> None:
        """End it at once, whatever it does."""


class ProcessLane:
    """A worker process, whose end does not end the service.

    Args:
        setup: What it is to load.
        device: Of this worker, instead of that of the setup.
    """

    def __init__(self, setup: Setup, device: str | None = None) -> None:
        if device is not None:
            predictor = {**setup.predictor, "device": device}
            setup = Setup(predictor, setup.max_pixels, setup.threads)
        self._setup = setup
        self._process: asyncio.subprocess.Process | None = None

    @property
    def alive(self) -> bool:
        """As `Lane`."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> Ready:
        """As `Lane`."""
        found_at = os.pathsep.join(path for path in sys.path if path)
        environment = {**os.environ, "PYTHONPATH": found_at}
        environment.pop(KEY_VARIABLE, None)  # it reads what strangers send
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROGRAM),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
            start_new_session=True,  # Ctrl-C in a terminal is for the service alone
        )
        ready = msgspec.msgpack.decode(await self._exchange(self._setup), type=Ready)
        if ready.problem:
            await self.stop()
            if ready.values is not None:
                raise ArgumentError(ready.problem, **ready.values)
            raise InputError(ready.problem)
        return ready

    async def ask(self, jobs: Sequence[Job]) -> list[Answer]:
        """As `Lane`."""
        answers = await self._exchange(jobs)
        return msgspec.msgpack.decode(answers, type=list[Answer])

    async def stop(self) -> None:
        """As `Lane`: an idle one ends by itself, a busy one is killed."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), END_S)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def kill(self) -> None:
        """As `Lane`."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def _exchange(self, message: object) -> bytes:
        process = self._process
        if process is None:
            raise LaneEndedError
        assert process.stdin and process.stdout
        try:
            process.stdin.write(framed(message))
            await process.stdin.drain()
            length = await process.stdout.readexactly(LENGTH_BYTES)
            return await process.stdout.readexactly(int.from_bytes(length, "big"))
        except (asyncio.IncompleteReadError, OSError) as problem:
            raise LaneEndedError from problem


class ThreadLane:
    """A thread of this process.

    Args:
        predictor: Several threads may use one.
        max_pixels: Most pixels of a photo.
        lanes: How many share the memory.
        threads: How many threads torch uses in it.
    """

    def __init__(self, predictor: Predictor, max_pixels: int, lanes: int, threads: int) -> None:
        self._predictor, self._max_pixels, self._threads = copy(predictor), max_pixels, threads
        self._predictor.plan = predictor.plan.shared(lanes)
        self._pool: ThreadPoolExecutor | None = None

    @property
    def alive(self) -> bool:
        """As `Lane`."""
        return self._pool is not None

    async def start(self) -> Ready:
        """As `Lane`."""
        from instseg.serving.handler import Handler  # loads torch

        self._handler = Handler(self._predictor, self._max_pixels)
        self._pool = ThreadPoolExecutor(1, "predicting", initializer=only_here(self._threads))
        return Ready(weights=self._predictor.name)

    async def ask(self, jobs: Sequence[Job]) -> list[Answer]:
        """As `Lane`."""
        if self._pool is None:
            raise LaneEndedError
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._handler.answer, jobs)

    async def stop(self) -> None:
        """As `Lane`."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    def kill(self) -> None:
        """A thread cannot be ended; it is left to finish."""
