"""Runs commands on broken inputs and counts what must never happen.

    python tests/fuzz/run.py --minutes 10
    python tests/fuzz/run.py --case dataset:1234

Every input follows from its target and number, so a failure is repeated by naming both. Failures
are written to out/fuzz/failures.jsonl.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

HANG_S = 120
MEMORY_BYTES = 12 * 2**30  # of address space: what asks for more fails at once
ROOT = Path(__file__).resolve().parents[2]
KINDS = ("traceback", "unexpected", "crash", "hang", "loss", "stray line")


class Failure(NamedTuple):
    """What went wrong with one input."""

    case: str
    kind: str
    output: str


def judge(code: int, output: str, lost: str) -> tuple[str, str] | None:
    """The kind of a failure and its text; None when the command behaved."""
    if "Traceback (most recent call last)" in output:
        return "traceback", output
    if "unexpected " in output and "--debug" in output:
        return "unexpected", output
    if code not in (0, 1, 2):
        return "crash", f"exit code {code}\n{output}"
    if lost:
        return "loss", f"{lost}\n{output}"
    return None


def run_case(name: str, seeds_folder: Path) -> Failure | None:
    """Make one input, run its command in this process, and judge."""
    from fuzz.targets import TARGETS, Seeds

    from instseg.cli import main

    target = name.split(":")[0]
    with tempfile.TemporaryDirectory() as folder:
        chance = random.Random(name)
        case = TARGETS[target](Seeds(seeds_folder), chance, Path(folder))
        with captured(Path(folder) / "output.txt") as read:
            try:
                code = main(case.arguments)
            except BaseException:
                traceback.print_exc()
                code = -1
        output = read()
        lost = case.lost() if code in (0, 1) else "refused" if target == "rewritten" else ""
        stray = [line for line in output["stderr"].splitlines() if not line.startswith("instseg: ")]
        found = judge(code, output["stdout"] + output["stderr"], lost)
        if found is None and stray:
            found = "stray line", "\n".join(stray)
    return Failure(name, *found) if found else None


@contextmanager
def captured(path: Path) -> Iterator[Callable[[], dict[str, str]]]:
    """Everything written to the process's standard output and error, by C libraries too."""
    texts: dict[str, str] = {}
    kept = [os.dup(1), os.dup(2)]
    files = [path.with_suffix(f".{name}").open("w+b") for name in ("stdout", "stderr")]
    sys.stdout.flush(), sys.stderr.flush()
    for fd, file in enumerate(files, start=1):
        os.dup2(file.fileno(), fd)
    try:
        yield lambda: texts
    finally:
        sys.stdout.flush(), sys.stderr.flush()
        for fd, (name, file) in enumerate(zip(("stdout", "stderr"), files, strict=True), start=1):
            os.dup2(kept[fd - 1], fd)
            file.seek(0)
            texts[name] = file.read().decode("utf-8", "replace")
            file.close()
            os.close(kept[fd - 1])


def work(connection: Connection, seeds_folder: Path) -> None:
    """A worker: runs the cases that it is sent, one after another."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    while (name := connection.recv()) is not None:
        connection.send(run_case(name, seeds_folder))


class Worker:
    """A process that runs cases, and is replaced when it hangs or dies."""

    def __init__(self, seeds_folder: Path) -> None:
        self.seeds_folder = seeds_folder
        self.case: str | None = None
        self.since_s = 0.0
        self.connection: Connection
        self.process: BaseProcess
        self.start()

    def start(self) -> None:
        """Start a fresh process."""
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(theirs, self.seeds_folder), daemon=True)
        self.process.start()
        theirs.close()

    def give(self, name: str) -> None:
        """Send a case."""
        self.case, self.since_s = name, time.monotonic()
        self.connection.send(name)

    def answer(self) -> tuple[bool, Failure | None]:
        """Whether the case has ended, and how."""
        assert self.case
        try:
            if self.connection.poll():
                return True, self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            died = Failure(self.case, "crash", f"the process died with {self.process.exitcode}")
            self.start()
            return True, died
        if time.monotonic() - self.since_s > HANG_S:
            self.process.kill()
            self.process.join()
            self.start()
            return True, Failure(self.case, "hang", f"no answer for {HANG_S} s")
        return False, None


def fuzz(names: Iterator[str], workers: int, until_s: float) -> tuple[Counter[str], list[Failure]]:
    """Run cases until they or the time are at an end; returns tries by target, and failures."""
    from fuzz.targets import Seeds

    tried: Counter[str] = Counter()
    failures: list[Failure] = []
    folder = Path(tempfile.mkdtemp())
    try:
        Seeds.make(folder)
        pool = [Worker(folder) for _ in range(workers)]
        while True:
            for worker in pool:
                if worker.case is None and time.monotonic() < until_s and (n := next(names, None)):
                    worker.give(n)
            busy = [worker for worker in pool if worker.case]
            if not busy:
                break
            wait([worker.connection for worker in busy], timeout=1)
            for worker in busy:
                ended, failure = worker.answer()
                if ended:
                    tried[str(worker.case).split(":")[0]] += 1
                    worker.case = None
                    failures += [failure] if failure else []
        for worker in pool:
            worker.process.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return tried, failures


def all_names(first: int) -> Iterator[str]:
    """Every target in turn, without end."""
    from fuzz.targets import TARGETS

    number = first
    while True:
        yield from (f"{target}:{number}" for target in TARGETS)
        number += 1


def report(tried: Counter[str], failures: list[Failure]) -> None:
    """Print what was tried and what came of it, and write the failures down."""
    by_kind = Counter((failure.case.split(":")[0], failure.kind) for failure in failures)
    print(f"{'target':12}{'tried':>8}" + "".join(f"{kind:>12}" for kind in KINDS))
    for target, count in tried.items():
        cells = "".join(f"{by_kind[target, kind]:>12}" for kind in KINDS)
        print(f"{target:12}{count:>8}{cells}")
    print(f"{tried.total()} inputs, {len(failures)} failures")
    if failures:
        path = ROOT / "out" / "fuzz" / "failures.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(each._asdict()) + "\n" for each in failures))
        print(f"{path}: the failures, each with the name to repeat it by")


def main() -> int:
    """Returns 0 when nothing failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--first", type=int, default=0, help="number of the first inputs")
    parser.add_argument("--case", help="repeat this one, as target:number")
    options = parser.parse_args()
    names = iter([options.case]) if options.case else all_names(options.first)
    workers = 1 if options.case else options.workers
    tried, failures = fuzz(names, workers, time.monotonic() + 60 * options.minutes)
    report(tried, failures)
    for failure in failures if options.case else []:
        print(failure.output)
    return int(bool(failures))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "tests"))
    sys.path.insert(0, str(ROOT))
    os.environ["PYTHONPATH"] = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from fuzz import run  # so that workers find the functions by a name

    sys.exit(run.main())
