"""What one process of a cluster does: it holds one predictor, and makes rows of photos."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from instseg import __version__
from instseg.cluster.listing import ListedPhoto
from instseg.core.errors import InputError
from instseg.core.instances import Instances
from instseg.files.shards import ShardHeader, ShardPhoto
from instseg.files.storage import is_remote, read_bytes
from instseg.predict.large import Photo, need_of_photo, read_photo
from instseg.predict.pipeline import Seen, described, look_within
from instseg.predict.predictor import Predictor
from instseg.system.ahead import Wait, map_ahead, pool_of
from instseg.system.budget import Need
from instseg.system.memory import memory_limit_bytes

FETCHERS = 4  # threads that copy photos from other machines


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """What every worker of a job is told.

    Attributes:
        predictor: Keyword arguments of `Predictor`, without its weights and memory.
        weights: Name and size of the weights' file, and of one that belongs to it.
        memory: Limit for the memory of a worker; None for its share of what is free.
        header: Of the shards.
        version: Of instseg where the job was started.
    """

    predictor: Mapping[str, Any]
    weights: WeightsFiles
    memory: str | None
    header: ShardHeader
    version: str = __version__


@dataclass(frozen=True, kw_only=True)
class WeightsFiles:
    """A file of weights, for machines that may not have it.

    Attributes:
        path: Where it is on the machine that started the job.
        sizes: Size in bytes of this file, and of those that belong to it, by name.
    """

    path: Path
    sizes: Mapping[str, int]

    @classmethod
    def of(cls, path: Path) -> WeightsFiles:
        """Those of a path; the `.bin` of an OpenVINO `.xml` and the data of an `.onnx` too."""
        beside = [path.with_suffix(".bin")] if path.suffix == ".xml" else []
        beside += [path.with_name(f"{path.name}.data")] if path.suffix == ".onnx" else []
        files = [path.absolute(), *(each for each in beside if each.is_file())]
        return cls(path=files[0], sizes={each.name: each.stat().st_size for each in files})

    def contents(self) -> dict[str, bytes]:
        """The files by name."""
        return {name: (self.path.parent / name).read_bytes() for name in self.sizes}

    def are_here(self) -> bool:
        """Whether this machine has them at the same place."""
        paths = {self.path.parent / name: size for name, size in self.sizes.items()}
        return all(path.is_file() and path.stat().st_size == s for path, s in paths.items())


@dataclass(frozen=True)
class _Fetched:
    """A photo that lies on this machine, or why it does not."""

    photo: ListedPhoto
    path: Path
    problem: Exception | None = None


class Worker:
    """Predicts photos; they are copied and read in threads while the network works.

    Args:
        settings: Of the job.
        contents: The files of the weights by name, if this machine may lack them.
        share: Number of workers that share the memory of this machine.
    """

    def __init__(
        self, settings: WorkerSettings, contents: Mapping[str, bytes] | None, share: int
    ) -> None:
        if settings.version != __version__:
            raise InputError(
                f"instseg {__version__} is on this machine of the cluster, and the job was "
                f"started with {settings.version}; install the same on all"
            )
        memory: str | int | None = settings.memory
        limit = memory_limit_bytes()
        if memory is None and limit is not None:
            memory = max(limit // share, 1)
        self._predictor = Predictor(
            self._weights(settings.weights, contents), **settings.predictor, memory=memory
        )

    def predict(self, photos: Sequence[ListedPhoto]) -> Iterator[ShardPhoto]:
        """A row for each photo, in order; those that fail say why."""
        predictor = self._predictor
        if any(is_remote(photo.address) for photo in photos):
            assert self._folder, "made here, before several threads ask for it"
        with pool_of(FETCHERS) as pool:
            fetched = map_ahead(pool, self._fetch, photos, FETCHERS)
            budget, seen = look_within(
                predictor.plan,
                fetched,
                self._need,
                self._read,
                predictor.predict_batch,
                batch_size=predictor.batch_size,
                workers=predictor.workers(len(photos)),
            )
            with closing(seen):
                for each in seen:
                    if not isinstance(each, Wait):
                        budget.release()
                        yield self._row(each)

    @cached_property
    def _folder(self) -> tempfile.TemporaryDirectory[str]:
        """For copies; not made before it is needed, because a killed worker leaves it."""
        return tempfile.TemporaryDirectory(prefix="instseg-")

    def _weights(self, files: WeightsFiles, contents: Mapping[str, bytes] | None) -> Path:
        if contents is None or files.are_here():
            return files.path
        folder = Path(self._folder.name)
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        return folder / files.path.name

    def _fetch(self, photo: ListedPhoto) -> _Fetched:
        if not is_remote(photo.address):
            return _Fetched(photo, Path(photo.address))
        suffix = PurePosixPath(photo.address).suffix
        try:
            content = read_bytes(photo.address)
            with tempfile.NamedTemporaryFile(
                dir=self._folder.name, suffix=suffix, delete=False
            ) as file:
                file.write(content)
            return _Fetched(photo, Path(file.name))
        except Exception as problem:
            return _Fetched(photo, Path(photo.address), problem)

    def _need(self, photo: _Fetched) -> Need:
        return need_of_photo(photo.path, self._predictor.plan)

    def _read(self, photo: _Fetched) -> Photo:
        if photo.problem:
            raise photo.problem
        return read_photo(photo.path, self._predictor.plan)

    def _row(self, seen: Seen[_Fetched, Photo, Instances]) -> ShardPhoto:
        photo, found, path = seen.item.photo, seen.found, seen.item.photo.readable
        if is_remote(photo.address) and not seen.item.problem:  # windows are read until now
            seen.item.path.unlink()
        if isinstance(found, Instances):
            return ShardPhoto(name=photo.name, path=path, found=found)
        text = described(path, found).replace(str(seen.item.path), path)
        return ShardPhoto(name=photo.name, path=path, error=text)
