"""The queue of the service: photos wait here for a worker, a bounded number and time."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from instseg.core.errors import InputError
from instseg.core.events import Warned
from instseg.core.wording import printable
from instseg.serving.lanes import Lane, LaneEndedError
from instseg.serving.messages import Answer, Job, Ready, RefusedError, State, refused
from instseg.serving.metrics import Metrics
from instseg.serving.options import Limits

FAILED, UNAVAILABLE, TOO_LATE = 500, 503, 504  # statuses of HTTP
MOST_STARTS = 2  # that a photo may cost: a worker has ended twice while it was predicted
LONGEST_PAUSE_S = 30.0  # between two tries to start a worker
MOST_RETRY_S = 60  # that a client is asked to wait


@dataclass(eq=False, repr=False)
class _Waiting:
    """A photo that waits for its answer."""

    job: Job
    answer: asyncio.Future[Answer]
    starts: int = 0  # how often a worker has begun with it

    def give(self, answer: Answer) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)


@dataclass
class Dispatcher:
    """Gives the photos that wait to lanes, in batches; those of a lane that ended to others.

    Attributes:
        lanes: Where they are predicted.
        limits: How many may wait, and for how long.
        metrics: What is counted.
        weights: The name of the weights, once a lane is ready.
    """

    limits: Limits
    lanes: list[Lane] = field(default_factory=list)
    metrics: Metrics = field(default_factory=Metrics)
    weights: str = ""

    def __post_init__(self) -> None:
        self._queue: deque[_Waiting] = deque()
        self._again: deque[_Waiting] = deque()  # of lanes that ended; each of them goes alone
        self._filled = asyncio.Event()
        self._collecting = asyncio.Lock()
        self._drives: list[asyncio.Task[None]] = []
        self._inside = 0
        self._ready: set[int] = set()  # ids of lanes
        self._draining = False
        self._empty = asyncio.Event()
        self._empty.set()
        self._seconds_each = 0.0  # that a lane takes for a photo, lately

    @property
    def state(self) -> State:
        """`ready`, or `loading`, `draining` or `restarting`, in which it takes no photo."""
        if self._draining:
            return "draining"
        if self._ready:
            return "ready"
        return "restarting" if self.weights else "loading"

    @property
    def ready_lanes(self) -> int:
        """How many lanes take photos."""
        return len(self._ready)

    @property
    def queued(self) -> int:
        """How many photos wait."""
        return len(self._queue) + len(self._again)

    @property
    def capacity(self) -> int:
        """Requests that are received, wait and are predicted at the same time."""
        return self.limits.queue + max(len(self.lanes), 1) * self.limits.batch_size

    async def add(self, lane: Lane) -> Ready:
        """Start a lane, and give it photos from then on.

        Raises:
            InputError: It cannot work.
        """
        try:
            ready = await lane.start()
        except LaneEndedError:
            raise InputError(
                "a worker has ended while it was loading; it may need more memory"
            ) from None
        self.weights = ready.weights
        self.lanes.append(lane)
        self._now_ready(lane, True)
        self._drives.append(asyncio.create_task(self._drive(lane)))
        return ready

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """A place for a request, from before its photo is received until it is answered.

        Raises:
            RefusedError: There is none, or there will be none.
        """
        if self._draining:
            raise RefusedError(UNAVAILABLE, "the service is shutting down", 5)
        if not self.weights:
            raise RefusedError(UNAVAILABLE, "the service is loading", 5)
        if self._inside >= self.capacity:
            raise RefusedError(429, "too many photos are waiting", self._retry_after_s())
        self._enter(1)
        try:
            yield
        finally:
            self._enter(-1)

    def _enter(self, requests: int) -> None:
        self._inside += requests
        self.metrics.inside.set(self._inside)
        (self._empty.clear if self._inside else self._empty.set)()

    async def submit(self, job: Job) -> Answer:
        """The answer to a photo. One whose caller is cancelled is not predicted any more.

        Raises:
            RefusedError: It has waited too long.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(job, loop.create_future())
        timer = loop.call_later(self.limits.timeout, self._expire, waiting)
        self._put(self._queue, waiting)
        try:
            return await waiting.answer
        finally:
            timer.cancel()
            self._remove(waiting)

    async def drain(self, timeout_s: float) -> bool:
        """Take no more requests, and wait until those inside are answered; whether they all are."""
        self._draining = True
        try:
            await asyncio.wait_for(self._empty.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        """End all lanes; what still waits is refused."""
        self._draining = True
        for each in self._drives:
            each.cancel()
        for waiting in [*self._again, *self._queue]:
            waiting.give(refused(UNAVAILABLE, "the service is shutting down"))
        if self._inside:  # they are busy
            for lane in self.lanes:
                lane.kill()
        await asyncio.gather(*self._drives, return_exceptions=True)
        await asyncio.gather(*(lane.stop() for lane in self.lanes))

    def _retry_after_s(self) -> int:
        work_s = self._inside * self._seconds_each / max(len(self.lanes), 1)
        return min(max(math.ceil(work_s), 1), MOST_RETRY_S)

    def _put(self, queue: deque[_Waiting], waiting: _Waiting) -> None:
        queue.append(waiting)
        self._filled.set()
        self._count()

    def _remove(self, waiting: _Waiting) -> None:
        for queue in (self._queue, self._again):
            if waiting in queue:
                queue.remove(waiting)
        self._count()

    def _count(self) -> None:
        self.metrics.queued.set(self.queued)

    def _expire(self, waiting: _Waiting) -> None:
        """Refuse a photo that still waits; one that is being predicted has a limit of its own."""
        if waiting in self._queue or waiting in self._again:
            self._remove(waiting)
            late = RefusedError(UNAVAILABLE, "the photo has waited too long", self._retry_after_s())
            if not waiting.answer.done():
                waiting.answer.set_exception(late)

    async def _next(self, *, also_again: bool = True) -> _Waiting | None:
        """The photo that has waited longest; None if it is to go alone, and `also_again` is off."""
        while not (self._again or self._queue):
            self._filled.clear()
            await self._filled.wait()
        if self._again and not also_again:
            return None
        waiting = (self._again or self._queue).popleft()
        self._count()
        return waiting

    async def _take(self) -> list[_Waiting]:
        """A batch, filled up for a while; one lane after another."""
        async with self._collecting:
            first = await self._next()
            assert first
            batch = [first]
            if first.starts:
                return batch
            with suppress(TimeoutError):
                async with asyncio.timeout(self.limits.batch_wait_s):
                    while len(batch) < self.limits.batch_size:
                        another = await self._next(also_again=False)
                        if another is None:
                            break
                        batch.append(another)
        return batch

    async def _drive(self, lane: Lane) -> None:
        """Let a lane work on one batch after another, and start it again when it has ended."""
        while True:
            while await self._work(lane, await self._take()):
                pass
            self._now_ready(lane, False)
            await self._restart(lane)
            self._now_ready(lane, True)

    def _now_ready(self, lane: Lane, is_ready: bool) -> None:
        (self._ready.add if is_ready else self._ready.discard)(id(lane))
        self.metrics.workers.set(len(self._ready))

    async def _work(self, lane: Lane, batch: list[_Waiting]) -> bool:
        """Predict a batch; whether the lane can go on."""
        loop = asyncio.get_running_loop()
        begin_s = loop.time()
        batch = [each for each in batch if not each.answer.done()]  # the others' clients are gone
        if not lane.alive:  # it has ended before these photos came
            for each in batch:
                self._put(self._again, each)
            return False
        if not batch:
            return True
        self.metrics.batches.observe(len(batch))
        answers = await self._asked(lane, batch)
        if answers is None:
            return False
        for each, answer in zip(batch, answers, strict=True):
            each.give(answer)
            self.metrics.photos.inc(answer.status == 200)
            if answer.cause:
                self.limits.on_event(Warned(text=answer.cause))
        seconds = (loop.time() - begin_s) / len(batch)
        self._seconds_each += (seconds - self._seconds_each) * (0.1 if self._seconds_each else 1)
        return True

    async def _asked(self, lane: Lane, batch: list[_Waiting]) -> list[Answer] | None:
        """The answers of a lane; None if it has failed, and the photos are refused or go on."""
        for each in batch:
            each.starts += 1
        try:
            async with asyncio.timeout(self.limits.timeout):
                return await lane.ask([each.job for each in batch])
        except TimeoutError:
            late = refused(TOO_LATE, "predicting the photo has taken too long")
            for each in batch:
                each.give(late)
        except LaneEndedError:
            for each in batch:
                self._try_again(each)
        except asyncio.CancelledError:
            for each in batch:
                each.give(refused(UNAVAILABLE, "the service is shutting down"))
            raise
        except Exception as problem:  # of a job that cannot be handed over: the others go on
            for each in batch:
                each.give(refused(FAILED, "the photo cannot be processed"))
            self.limits.on_event(Warned(text=f"a batch failed: {printable(repr(problem))}"))
        return None

    def _try_again(self, waiting: _Waiting) -> None:
        if waiting.answer.done():
            return
        if waiting.starts >= MOST_STARTS:
            waiting.give(refused(UNAVAILABLE, "the worker has ended while it predicted the photo"))
        else:
            self._put(self._again, waiting)

    async def _restart(self, lane: Lane) -> None:
        """Start a lane again, as often as it takes."""
        pause_s = 0.0
        while True:
            lane.kill()
            await lane.stop()
            self.limits.on_event(Warned(text="a worker has ended; it is started again"))
            self.metrics.restarts.inc()
            await asyncio.sleep(pause_s)
            with suppress(LaneEndedError, InputError):
                await lane.start()
                return
            pause_s = min(2 * pause_s + 1, LONGEST_PAUSE_S)
