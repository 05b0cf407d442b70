"""A service under load: ours beside LitServe with the same predictor, each answer checked."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import OnEvent, ignore, told
from instseg.system.processors import allowed_processors
from instseg.system.threads import MOST_WORKERS

BOUNDARY = "a-part-of-instseg-benchmark"
START_S = 120.0  # that a server may take until it answers
SCORE = 0.3
OURS = (
    "import sys; from instseg.cli import main; sys.exit(main(['serve', '--weights', {weights!r}, "
    "'--port', '{port}', '--workers', '{workers}', '--score-threshold', '{score}', "
    "'--queue', '1000', '--device', 'cpu']))"
)
PEER = (
    "from instseg.benchmark.litserve_peer import main; "
    "main({port}, {weights!r}, {score}, {workers})"
)
PROGRAMS = {"ours": OURS, "peer": PEER}


@dataclass(frozen=True)
class Load:
    """What was measured under load: seconds of each request, and of all together."""

    seconds: list[float]
    whole_s: float


def measure_serving(
    photos: Sequence[Path],
    *,
    weights: str,
    clients: int = 8,
    requests: int = 100,
    repeats: int,
    on_event: OnEvent = ignore,
) -> dict[str, Any]:
    """Seconds of requests to both services, by turns, and photos a second.

    Every photo is sent as a form over the loopback by clients that ask again as soon as they have
    their answer. Each answer must be the predictor's own for this photo.

    Args:
        photos: Taken over and over.
        weights: A name or a path.
        clients: Requests at the same time.
        requests: In each round, after one of each photo to warm up.
        repeats: Rounds of each side.
        on_event: Called with the progress.

    Returns:
        `ours` and, where LitServe is installed, `peer`, each with `p50_s` and `p99_s` of all
        requests and `photos_per_s`, the median of the rounds; `ratio` of each, above 1 where ours
        is better; `workers`, `clients`, `requests`.

    Raises:
        InputError: An answer is missing or belongs to another photo, or a service did not start.
    """
    if weights == "random":
        raise ArgumentError("{weights} must be a name or a path for serve", weights=weights)
    workers = min(allowed_processors(), MOST_WORKERS)
    expected = _expected(photos, weights)
    sides = ["ours", "peer"] if find_spec("litserve") else ["ours"]
    loads: dict[str, list[Load]] = {side: [] for side in sides}
    for side in told([*sides] * repeats, on_event, "measuring", unit="rounds"):
        with _server(side, weights, workers) as port:
            _load(port, expected, len(expected), clients)
            loads[side].append(_load(port, expected, requests, clients))
    figures: dict[str, Any] = {side: _figures(runs, requests) for side, runs in loads.items()}
    ratio = {}
    if "peer" in figures:
        ours, peer = figures["ours"], figures["peer"]
        ratio = {name: peer[name] / ours[name] for name in ("p50_s", "p99_s")}
        ratio["photos_per_s"] = ours["photos_per_s"] / peer["photos_per_s"]
    return figures | {
        "ratio": ratio,
        "weights": weights,
        "photos": len(photos),
        "workers": workers,
        "clients": clients,
        "requests": requests * repeats,
    }


def _figures(runs: Sequence[Load], requests: int) -> dict[str, float]:
    seconds = sorted(each for run in runs for each in run.seconds)
    return {
        "p50_s": statistics.median(seconds),
        "p99_s": seconds[int(0.99 * (len(seconds) - 1))],
        "photos_per_s": statistics.median(requests / run.whole_s for run in runs),
    }


def _expected(photos: Sequence[Path], weights: str) -> dict[bytes, Any]:
    """The body of the request for each photo, and the answer to it."""
    from instseg.predict.predictor import Predictor
    from instseg.serving.handler import Handler

    predictor = Predictor(weights, device="cpu", score_threshold=SCORE)
    handler = Handler(predictor, 100_000_000)
    return {
        _form(path.read_bytes()): json.loads(handler.as_json(predictor(path))) for path in photos
    }


def _form(photo: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photo"; filename="p"\r\n\r\n'
    return head.encode() + photo + f"\r\n--{BOUNDARY}--\r\n".encode()


@contextmanager
def _server(side: str, weights: str, workers: int) -> Iterator[int]:
    """A service in processes of its own; its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = PROGRAMS[side].format(weights=weights, port=port, workers=workers, score=SCORE)
    found_at = os.pathsep.join(path for path in sys.path if path)
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": found_at, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(side, port, process)
        yield port
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with suppress(ProcessLookupError):  # what has outlived it
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(side: str, port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < end:
        try:
            if _ask(http.client.HTTPConnection("127.0.0.1", port, timeout=5), None)[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise InputError(f"{side}: the service did not start")


def _ask(connection: http.client.HTTPConnection, form: bytes | None) -> tuple[int, bytes]:
    if form is None:
        connection.request("GET", "/health")
    else:
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        connection.request("POST", "/predict", form, {"Content-Type": kind})
    answer = connection.getresponse()
    return answer.status, answer.read()


def _load(port: int, expected: Mapping[bytes, Any], requests: int, clients: int) -> Load:
    """Send requests from several clients at once, and check each answer."""
    forms, numbers = list(expected), count()
    seconds: list[float] = []
    problems: list[str] = []

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_S)
        while (number := next(numbers)) < requests and not problems:
            form = forms[number % len(forms)]
            begin_s = time.perf_counter()
            try:
                status, body = _ask(connection, form)
            except OSError as problem:
                problems.append(f"request {number} was lost ({problem})")
                return
            seconds.append(time.perf_counter() - begin_s)
            if status != 200 or json.loads(body) != expected[form]:
                problems.append(f"request {number}: another answer (status {status})")

    threads = [threading.Thread(target=client) for _ in range(clients)]
    begin_s = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise InputError(problems[0])
    return Load(seconds, time.perf_counter() - begin_s)
