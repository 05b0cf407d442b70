"""The process that speaks to Ray: its logs, signals and settings stay out of the caller's.

`RaySession` starts it. It is told what to do through its standard input, and answers with pickled
messages; what Ray prints goes to its standard error, a file. It ends when its input does.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from instseg.cluster.job import photos_in, read_listing
from instseg.cluster.worker import Worker, WorkerSettings
from instseg.files.shards import encode_shard
from instseg.system.allocation import keep_freed_memory
from instseg.system.processors import allowed_processors

RETRIES = 1  # of a shard, or a photo alone, whose worker was lost
STORE_BYTES = 256_000_000  # of a local cluster: only lists and rows pass through it
CALM = {  # before ray is imported
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # of a local cluster: as this process
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
}


@dataclass(frozen=True, kw_only=True)
class Connected:
    """The cluster answers.

    Attributes:
        cpus: Of the whole cluster.
        gpus: Of the whole cluster.
        node_cpus: Of the machine that has the most.
        node_gpus: Of the machine that has the most.
        is_local: Whether it was started for this job.
    """

    cpus: int
    gpus: int
    node_cpus: int
    node_gpus: int
    is_local: bool


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Photos that are predicted by one task: those of a shard, or one of them.

    Attributes:
        shard: Number of the shard.
        first: Number of the first photo in the shard.
        count: Number of photos.
    """

    shard: int
    first: int
    count: int


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is to be predicted.

    Attributes:
        settings: For the workers.
        listing: Path of the Parquet file with `name` and `address` of all photos of the job.
        pieces: What of it.
        photos_per_shard: Number of photos of a shard.
        workers: Number of workers.
        on_gpu: Whether each has a GPU, rather than a core.
        share: Number of workers on the machine that has the most.
        worker: Their class.
    """

    settings: WorkerSettings
    listing: str
    pieces: Sequence[Piece]
    photos_per_shard: int
    workers: int
    on_gpu: bool
    share: int
    worker: type[Worker] = Worker


@dataclass(frozen=True, kw_only=True)
class Done:
    """The rows of a piece, as a Parquet file."""

    piece: Piece
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Lost:
    """A photo whose worker ended every time."""

    piece: Piece
    attempts: int


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The job cannot go on: the last words of an exception."""

    text: str


def main() -> None:
    """Answer what standard input asks; see the module."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def send(message: object) -> None:
        pickle.dump(message, answers)
        answers.flush()

    questions = sys.stdin.buffer
    address, folder = pickle.load(questions)
    try:
        import ray

        send(_connect(address, folder))
        import ray.data  # takes a while, and the caller still prepares

        try:
            work = pickle.load(questions)
            threading.Thread(target=_end_with, args=[questions], daemon=True).start()
            for message in _do(work):
                send(message)
        finally:
            ray.shutdown()
    except EOFError:
        return
    except Exception as error:
        traceback.print_exc()
        lines = str(error).strip().splitlines() or [type(error).__name__]
        send(Failed(text=lines[-1].strip()))


def _end_with(questions: BinaryIO) -> None:
    """End this process, and the local cluster with it, when its parent has ended."""
    questions.read()
    os._exit(1)


def _connect(address: str, folder: str) -> Connected:
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address == "local":
        ray.init(
            "local",
            num_cpus=allowed_processors(),
            include_dashboard=False,
            object_store_memory=STORE_BYTES,
            _temp_dir=folder,
            **quiet,
        )
    else:
        ray.init(address, **quiet)
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cpus, gpus = ([int(node.get(kind, 0)) for node in nodes] for kind in ("CPU", "GPU"))
    return Connected(
        cpus=sum(cpus),
        gpus=sum(gpus),
        node_cpus=max(cpus, default=0),
        node_gpus=max(gpus, default=0),
        is_local=address == "local",
    )


def _do(work: Work) -> Iterator[Done | Lost]:
    """Predict all pieces; photos of lost shards one by one, and those that end workers not at all.

    A round that ends with an exception, such as the loss of a machine with its results, is followed
    by another one while each of them gets anything done.
    """
    import ray

    missing = {(piece.shard, piece.first): piece for piece in work.pieces}
    run = _Rounds(work)

    def tried(retries: int) -> Iterator[Done]:
        while missing:
            before = len(missing)
            try:
                for done in run(list(missing.values()), retries):
                    if missing.pop((done.piece.shard, done.piece.first), None):
                        yield done
                return
            except ray.exceptions.RayError:
                if len(missing) == before:
                    raise

    yield from tried(RETRIES)
    lost = list(missing.values())
    missing.clear()
    for piece in lost:
        for first in range(piece.first, piece.first + piece.count):
            missing[piece.shard, first] = Piece(shard=piece.shard, first=first, count=1)
    yield from tried(RETRIES)
    for piece in missing.values():
        yield Lost(piece=piece, attempts=2 * (RETRIES + 1))


class _Rounds:
    """Runs pieces on the cluster; those whose workers end too often are missing in the results."""

    def __init__(self, work: Work) -> None:
        import ray
        from ray.data import DataContext

        self._work = work
        self._photos = read_listing(work.listing)
        context = DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = -1  # they are missing in the results
        self._contents = ray.put(work.settings.weights.contents())  # once for each machine

    def __call__(self, pieces: Sequence[Piece], retries: int) -> Iterator[Done]:
        import ray.data
        from ray.data import ActorPoolStrategy

        work = self._work
        alone = all(piece.count == 1 for piece in pieces)
        found = ray.data.from_arrow([self._table(piece) for piece in pieces]).map_batches(
            _RayWorker,
            fn_constructor_args=(work.worker, work.settings, self._contents, work.share),
            batch_size=None,
            batch_format="pyarrow",
            num_cpus=1,
            num_gpus=1 if work.on_gpu else None,
            compute=ActorPoolStrategy(
                size=min(work.workers, len(pieces)),
                max_tasks_in_flight_per_actor=1 if alone else 2,
            ),
            ray_remote_args_fn=lambda: {"max_restarts": -1, "max_task_retries": retries},
        )
        batches: Iterable[Any] = found.iter_batches(
            batch_size=None, batch_format="pyarrow", prefetch_batches=0
        )
        for batch in batches:
            for row in batch.to_pylist():
                content = row.pop("content")
                yield Done(piece=Piece(**row), content=content)

    def _table(self, piece: Piece) -> Any:
        import pyarrow as pa

        start = piece.shard * self._work.photos_per_shard + piece.first
        photos = self._photos.slice(start, piece.count)
        numbers = {name: pa.array([value] * len(photos)) for name, value in vars(piece).items()}
        return pa.table({**numbers, "name": photos["name"], "address": photos["address"]})


class _RayWorker:
    """A `Worker` as Ray Data calls it: a table of photos in, a row with their Parquet file out."""

    def __init__(
        self, kind: type[Worker], settings: WorkerSettings, contents: Any, share: int
    ) -> None:
        import ray
        import torch

        keep_freed_memory()
        if not ray.get_gpu_ids():
            torch.set_num_threads(1)  # each core has its own worker
        self._header = settings.header
        here = settings.weights.are_here()
        self._worker = kind(settings, None if here else ray.get(contents), share)

    def __call__(self, table: Any) -> Any:
        import pyarrow as pa

        photos = list(photos_in(table.select(["name", "address"])))
        content = encode_shard(list(self._worker.predict(photos)), self._header)
        numbers = {name: [table[name][0].as_py()] for name in ("shard", "first", "count")}
        return pa.table({**numbers, "content": pa.array([content], pa.binary())})
