"""`serve`: the service on a port, with worker processes."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from fastapi import FastAPI

from instseg.core.errors import ArgumentError
from instseg.core.events import Notice, Warned, download_progress
from instseg.core.options import takes
from instseg.core.wording import count, split_names
from instseg.files.weights import locate
from instseg.serving.app import app_of
from instseg.serving.dispatch import Dispatcher
from instseg.serving.lanes import END_S, KEY_VARIABLE, ProcessLane
from instseg.serving.messages import Setup
from instseg.serving.options import ServeOptions
from instseg.system.memory import memory_limit_bytes, parse_bytes
from instseg.system.processors import allowed_processors
from instseg.system.threads import MOST_WORKERS

MOST_CONNECTIONS = 1000
KEEP_ALIVE_S = 75  # longer than proxies keep idle connections
SEND_S = 1  # for the last answers to reach their clients
PREDICTOR_OPTIONS = (  # those of `Predictor` with the same name
    *("architecture", "device", "engine", "precision", "preset", "score_threshold"),
    *("max_detections", "cross_class_nms", "tile", "overlap", "flip", "batch_size"),
)


@dataclass(frozen=True, kw_only=True)
class Served:
    """What a service has done.

    Attributes:
        photos: Number of photos that were predicted.
        restarts: Number of workers that ended and were replaced.
        all_answered: Whether every request that was taken was answered before the end.
    """

    photos: int
    restarts: int
    all_answered: bool


@takes(ServeOptions)
def serve(options: ServeOptions) -> Served:
    """Answer requests for the instances in photos, over HTTP, until it is stopped by Ctrl-C.

    Raises:
        InputError: Weights are not available, an option is out of range, or the port is taken.
    """
    return Service(options).run()


class Service:
    """A service that another thread, or a signal handler, can stop."""

    def __init__(self, options: ServeOptions) -> None:
        self._options = options
        self._stops = 0
        self._stopping, self._at_once = asyncio.Event(), asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self) -> Served:
        """Serve until `stop` is called; then answer what was taken, and return.

        Raises:
            InputError: As `serve`.
        """
        options = self._options
        locate(  # once for all
            options.weights, semantic=False, progress=download_progress(options.on_event)
        )
        with _listening(options.host, options.port) as listener:
            return asyncio.run(self._run(listener))

    def stop(self) -> None:
        """Take no more requests, and return when those taken are answered; the second time now."""
        self._stops += 1
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        if self._stops > 0:
            self._stopping.set()
        if self._stops > 1:
            self._at_once.set()

    async def _run(self, listener: socket.socket) -> Served:
        self._loop = asyncio.get_running_loop()
        self._tell()
        dispatcher = Dispatcher(self._options)
        server = _server(app_of(dispatcher, None, os.environ.get(KEY_VARIABLE)))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        starting = asyncio.create_task(self._start(dispatcher, listener))
        stopping = asyncio.create_task(self._stopping.wait())
        all_answered = False
        try:
            try:
                await _first({starting, stopping, serving})
                if starting.done():
                    starting.result()
                    await _first({stopping, serving})
            except asyncio.CancelledError:  # Ctrl-C, where nobody else handles it
                pass
            starting.cancel()
            all_answered = await self._drain(dispatcher)
        finally:
            starting.cancel()
            await asyncio.wait({starting})
            await dispatcher.stop()
            server.should_exit = True
            await serving
        metrics = dispatcher.metrics
        return Served(
            photos=metrics.value("instseg_photos_total"),
            restarts=metrics.value("instseg_worker_restarts_total"),
            all_answered=all_answered,
        )

    async def _start(self, dispatcher: Dispatcher, listener: socket.socket) -> None:
        """Start the workers: the first one alone, as it may convert weights, or tell of GPUs."""
        options, told = self._options, self._options.on_event
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if not ipaddress.ip_address(host).is_loopback and not os.environ.get(KEY_VARIABLE):
            told(
                Warned(
                    text=f"{shown}: everyone who reaches this machine can use the service; "
                    f"set a key in {KEY_VARIABLE}, or leave out the host"
                )
            )
        expected = options.workers or min(allowed_processors(), MOST_WORKERS)
        setup = _setup(options, expected)
        ready = await dispatcher.add(ProcessLane(setup))
        if ready.gpus and options.workers is None:
            expected = ready.gpus
        spread = ready.gpus and options.device in ("auto", "cuda")
        lanes = [
            ProcessLane(setup, f"cuda:{number % ready.gpus}" if spread else None)
            for number in range(1, expected)
        ]
        await asyncio.gather(*map(dispatcher.add, lanes))
        workers = count(expected, "worker")
        told(Notice(text=f"{ready.weights} answers on http://{shown}/predict with {workers}"))

    async def _drain(self, dispatcher: Dispatcher) -> bool:
        timeout_s = max(self._options.shutdown_timeout - END_S - SEND_S, 0)
        drained = asyncio.create_task(dispatcher.drain(timeout_s))
        at_once = asyncio.create_task(self._at_once.wait())
        await _first({drained, at_once})
        at_once.cancel()
        return drained.done() and drained.result()


class _Server(uvicorn.Server):
    """Leaves the signals of the process to its owner."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(app: FastAPI) -> _Server:
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SEND_S,
    )
    return _Server(config)


async def _first(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


def _setup(options: ServeOptions, workers: int) -> Setup:
    """What each worker is told; all of them share memory and processors."""
    given = {name: getattr(options, name) for name in PREDICTOR_OPTIONS}
    given["weights"] = str(options.weights)
    given["classes"] = split_names(options.classes)
    limit = memory_limit_bytes() if options.memory is None else parse_bytes(options.memory)
    given["memory"] = None if limit is None else limit // workers
    chosen = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # may be a list
    threads = int(chosen) if chosen.isdecimal() else 0
    return Setup(given, options.max_pixels, threads or max(allowed_processors() // workers, 1))


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=MOST_CONNECTIONS)
    except (OSError, TypeError, UnicodeError) as problem:  # of names that no host can have
        why = problem.strerror if isinstance(problem, OSError) else "not a name of a host"
        raise ArgumentError(
            f"{{host}} {host} and {{port}} {port}: cannot listen there ({why}); choose others"
        ) from problem
    with listener:
        yield listener
