"""`predict_shards`: any number of photos predicted on a Ray cluster."""

from __future__ import annotations

import os
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from instseg import __version__
from instseg.cluster.job import LISTING, Job, joined, require_no_job, resumed_job, start_job
from instseg.cluster.listing import list_photos
from instseg.cluster.options import ShardsOptions
from instseg.cluster.ray_session import RaySession
from instseg.cluster.ray_side import Connected, Done, Lost, Piece, Work
from instseg.core.errors import ArgumentError
from instseg.core.events import PhotoFailed, Progress, download_progress
from instseg.core.json_types import Json
from instseg.core.options import takes
from instseg.files.download import sha256_of
from instseg.files.shards import ShardHeader, ShardPhoto, Shards, encode_shard, summary_of_shard
from instseg.files.storage import as_address, is_remote, require_pyarrow
from instseg.files.weights import NAMED, locate
from instseg.system.lock import only_run_in

if TYPE_CHECKING:
    from instseg.cluster.worker import WorkerSettings

OF_RESULTS = (  # options that change the results
    *("engine", "precision", "preset", "score_threshold", "classes", "max_detections"),
    *("cross_class_nms", "tile", "overlap", "flip"),
)
OF_WORK = ("batch_size", "compile")


@dataclass(frozen=True, kw_only=True)
class PredictedShards:
    """The result of a job.

    Attributes:
        folder: Path or address of the shards.
        counts: Number of instances by class name, in the photos of this run.
        done: Number of photos that this run has finished.
        skipped: Number of photos of shards that an earlier run has finished.
        failed: Names of the photos of this run that failed; their rows say why.
        seconds: Duration of the run, without the files that are made from the shards.
        workers: Number of workers.
        files: Files and folders that were made from the shards.
    """

    folder: str
    counts: Mapping[str, int]
    done: int
    skipped: int
    failed: tuple[str, ...]
    seconds: float
    workers: int
    files: tuple[Path, ...] = ()

    def __repr__(self) -> str:
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return (
            f"PredictedShards({self.folder}: {sum(self.counts.values())} instances in "
            f"{self.done} photos{failed})"
        )


@takes(ShardsOptions)
def predict_shards(options: ShardsOptions) -> PredictedShards:
    """Predict photos on a Ray cluster; the rows of each photo land in Parquet shards.

        done = instseg.predict_shards("s3://bucket/photos", out="found", ray="auto")
        for photo in instseg.Shards(done.folder):
            photo.name, photo.found, photo.error

    A photo that cannot be read is a row with its error. Work of lost workers is done again; a photo
    that ends its worker every time becomes such a row too. A job that was killed continues with
    `resume`, and ends with the results of an uninterrupted one.

    Raises:
        InputError: Options do not go together; there are no photos, weights, Ray or cluster; or
            the earlier job cannot be resumed.
    """
    options.check()
    begin_s = time.monotonic()
    out = as_address(options.out)
    require_pyarrow("predict_shards")
    with only_run_in(Path(out)) if not is_remote(out) else nullcontext():
        run = _Run(options, f"{out}/shards")
        if not options.resume:
            require_no_job(run.folder)
        with RaySession(options.ray) as session:  # which connects meanwhile
            run.write(session)
        seconds = time.monotonic() - begin_s
        files: list[Path] = []
        if not is_remote(out):
            from instseg.cluster.from_shards import write_from_shards

            files = write_from_shards(Shards(run.folder), Path(out), options)
    return PredictedShards(
        folder=run.folder,
        counts=dict(run.counts.most_common()),
        done=run.done,
        skipped=run.skipped,
        failed=tuple(run.failed),
        seconds=seconds,
        workers=run.workers,
        files=tuple(files),
    )


@dataclass
class _Run:
    """One run of a job, which may have had others."""

    options: ShardsOptions
    folder: str
    done: int = 0
    skipped: int = 0
    workers: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    def write(self, session: RaySession) -> None:
        """Predict what is missing, and write it."""
        options, on_event = self.options, self.options.on_event
        path = locate(options.weights, progress=download_progress(on_event))
        described = self._described(path)
        job = resumed_job(self.folder, described) if options.resume else None
        inputs = _listed(options.inputs)
        photos = (
            list_photos(inputs, recursive=options.recursive, on_event=on_event)
            if job is None
            else []
        )
        if job is not None and not job.missing():
            self.skipped = job.photos
            return
        settings, engine = self._settings(path)
        cluster = session.connected()
        on_gpu = _on_gpu(options.device, engine, cluster)
        settings = replace(
            settings, predictor={**settings.predictor, "device": "cuda" if on_gpu else "cpu"}
        )
        self.workers = cluster.gpus if on_gpu else cluster.cpus
        if job is None:
            job = start_job(self.folder, photos, max(self.workers, 1), described)
        missing = job.missing()
        work = Work(
            settings=settings,
            listing=f"{self.folder}/{LISTING}",
            pieces=[Piece(shard=n, first=0, count=job.size_of(n)) for n in missing],
            photos_per_shard=job.photos_per_shard,
            workers=self.workers,
            on_gpu=on_gpu,
            share=cluster.node_gpus if on_gpu else cluster.node_cpus,
        )
        self.skipped = job.photos - sum(piece.count for piece in work.pieces)
        self._write(session, job, work)

    def _write(self, session: RaySession, job: Job, work: Work) -> None:
        header, on_event = work.settings.header, self.options.on_event
        parts: defaultdict[int, dict[int, bytes]] = defaultdict(dict)
        arrived: Counter[int] = Counter()
        total = job.photos - self.skipped
        on_event(Progress(task="finding instances", done=0, total=total))
        with ThreadPoolExecutor(1) as writer:
            writing = []
            for answer in session.run(work):
                piece = answer.piece
                parts[piece.shard][piece.first] = (
                    answer.content
                    if isinstance(answer, Done)
                    else encode_shard([self._lost(answer, job)], header)
                )
                arrived[piece.shard] += piece.count
                if arrived[piece.shard] < job.size_of(piece.shard):
                    continue
                ordered = [content for _, content in sorted(parts.pop(piece.shard).items())]
                content = joined(ordered, header, f"shard {piece.shard}")
                writing.append(writer.submit(job.write, piece.shard, content))
                self._count(content)
                on_event(Progress(task="finding instances", done=self.done, total=total))
            for each in writing:
                each.result()

    def _count(self, content: bytes) -> None:
        for name, classes, error in summary_of_shard(content):
            self.done += 1
            self.counts.update(classes)
            if error is not None:
                self.failed.append(name)
                self.options.on_event(PhotoFailed(name=name, text=error))

    def _lost(self, answer: Lost, job: Job) -> ShardPhoto:
        place = answer.piece.shard * job.photos_per_shard + answer.piece.first
        photo = next(job.photos_from(place, 1))
        text = (
            f"{photo.address}: its worker ended in each of {answer.attempts} attempts; it may need "
            "more memory than there is: make it smaller or use tiles"
        )
        return ShardPhoto(name=photo.name, path=photo.readable, error=text)

    def _described(self, path: Path) -> Json:
        """What the results depend on."""
        options = self.options
        chosen = {name: getattr(options, name) for name in OF_RESULTS}
        inputs = [str(item) for item in _listed(options.inputs)]
        return {
            "weights": sha256_of(path),
            **{name: list(v) if isinstance(v, tuple) else v for name, v in chosen.items()},
            "inputs": [each if is_remote(each) else _absolute(each) for each in inputs],
            "recursive": options.recursive,
        }

    def _settings(self, path: Path) -> tuple[WorkerSettings, str]:
        """What the workers are told, and the engine; checks the options on this machine."""
        from instseg.cluster.worker import WeightsFiles, WorkerSettings
        from instseg.predict.folder_run import made_by
        from instseg.predict.predictor import Predictor

        options = self.options
        given = {name: getattr(options, name) for name in (*OF_RESULTS, *OF_WORK)}
        named = NAMED.get(str(options.weights))
        given["architecture"] = options.architecture
        here = Predictor(options.weights, device="cpu", memory=options.memory, **given)
        if named is not None and path.suffix == ".pth":
            given["architecture"] = named.architecture
        header = ShardHeader(
            info={"description": "instances found by instseg", "version": __version__}
            | made_by(here),
            class_names=here.class_names,
            category_ids=here.category_ids,
            score_thresholds=tuple(here.score_thresholds.tolist()),
        )
        settings = WorkerSettings(
            predictor=given, weights=WeightsFiles.of(path), memory=options.memory, header=header
        )
        return settings, here.engine


def _listed(inputs: str | Path | Sequence[str | Path]) -> list[str | Path]:
    return [inputs] if isinstance(inputs, str | Path) else list(inputs)


def _absolute(path: str) -> str:
    at = "@" if path.startswith("@") else ""
    return at + os.path.abspath(path.removeprefix("@"))  # noqa: PTH100 - a glob is no path


def _on_gpu(device: str, engine: str, cluster: Connected) -> bool:
    """Whether each worker gets a GPU rather than a core."""
    if device == "cuda" and not cluster.gpus:
        raise ArgumentError("{device} must be auto or cpu: the cluster has no GPU", device=device)
    return device != "cpu" and engine == "torch" and cluster.gpus > 0
