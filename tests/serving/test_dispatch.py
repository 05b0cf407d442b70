"""The queue: batches, time-outs, clients that go away, workers that end."""

import asyncio

import pytest

pytest.importorskip("prometheus_client", reason="needs the extra serve")

from instseg.core.errors import InputError
from instseg.core.events import Warned
from instseg.serving.dispatch import Dispatcher
from instseg.serving.lanes import LaneEndedError
from instseg.serving.messages import Answer, Job, Ready, RefusedError
from instseg.serving.options import Limits


class GatedLane:
    """A lane that answers with the photo's bytes once it is let, or ends when it is told to."""

    def __init__(self, ends_at: bytes = b""):
        self.gate, self.batches, self.ends_at = asyncio.Event(), [], ends_at
        self.alive, self.starts = False, 0

    async def start(self):
        self.alive = True
        self.starts += 1
        return Ready(weights="gated")

    async def ask(self, jobs):
        self.batches.append([job.content for job in jobs])
        await self.gate.wait()
        if b"too large" in self.batches[-1]:
            raise OverflowError("of what is told to the worker")
        if self.ends_at and self.ends_at in self.batches[-1]:
            self.alive = False
            raise LaneEndedError
        return [Answer(200, job.content) for job in jobs]

    async def stop(self):
        self.alive = False

    def kill(self):
        self.alive = False


def run(work, **limits):
    """Run `work(dispatcher)`, and stop the dispatcher."""

    async def whole():
        dispatcher = Dispatcher(Limits(**limits))
        try:
            await work(dispatcher)
        finally:
            await dispatcher.stop()

    asyncio.run(whole())


async def submitted(dispatcher, *contents):
    tasks = [asyncio.create_task(dispatcher.submit(Job(content))) for content in contents]
    for _ in range(20):
        await asyncio.sleep(0)
    return tasks


def test_a_lane_that_fails_goes_on():
    events = []

    async def work(dispatcher):
        lane = GatedLane()
        lane.gate.set()
        await dispatcher.add(lane)
        (wrong,) = await submitted(dispatcher, b"too large")
        assert (await wrong).status == 500
        (right,) = await submitted(dispatcher, b"0")
        assert (await right).body == b"0"

    run(work, on_event=events.append)
    assert any("of what is told" in event.text for event in events)


def test_photos_that_wait_share_batches():
    async def work(dispatcher):
        lane = GatedLane()
        await dispatcher.add(lane)
        tasks = await submitted(dispatcher, b"0", b"1", b"2", b"3", b"4")
        lane.gate.set()
        assert [(await task).body for task in tasks] == [b"0", b"1", b"2", b"3", b"4"]
        assert lane.batches == [[b"0", b"1", b"2"], [b"3", b"4"]]

    run(work, batch_size=3, batch_wait="5ms")


def test_a_photo_that_waited_too_long_is_not_predicted():
    async def work(dispatcher):
        tasks = await submitted(dispatcher, b"late")  # no lane takes it
        with pytest.raises(RefusedError, match="waited too long") as refused:
            await tasks[0]
        assert refused.value.status == 503
        lane = GatedLane()
        lane.gate.set()
        await dispatcher.add(lane)
        (task,) = await submitted(dispatcher, b"next")
        assert (await task).body == b"next"
        assert lane.batches == [[b"next"]]

    run(work, timeout=0.05)


def test_a_prediction_that_takes_too_long_ends_its_worker():
    async def work(dispatcher):
        lane = GatedLane()
        await dispatcher.add(lane)
        (task,) = await submitted(dispatcher, b"slow")
        assert (await task).status == 504
        lane.gate.set()
        (task,) = await submitted(dispatcher, b"next")
        assert ((await task).body, lane.starts) == (b"next", 2)

    run(work, timeout=0.3)


def test_a_photo_whose_client_has_gone_is_not_predicted():
    async def work(dispatcher):
        lane = GatedLane()
        await dispatcher.add(lane)
        first, gone, last = await submitted(dispatcher, b"first", b"gone", b"last")
        gone.cancel()
        lane.gate.set()
        assert [(await first).body, (await last).body] == [b"first", b"last"]
        assert lane.batches == [[b"first"], [b"last"]]

    run(work)


def test_photos_of_a_worker_that_ended_are_tried_once_more_alone():
    warned = []

    async def work(dispatcher):
        lane = GatedLane(ends_at=b"poison")
        await dispatcher.add(lane)
        tasks = await submitted(dispatcher, b"blocks", b"a", b"poison", b"b")
        lane.gate.set()
        answers = [await task for task in tasks]
        assert [each.status for each in answers] == [200, 200, 503, 200]
        assert lane.batches == [
            [b"blocks", b"a", b"poison", b"b"],
            *([e] for e in (b"blocks", b"a", b"poison", b"b")),
        ]
        assert dispatcher.metrics.value("instseg_worker_restarts_total") >= 1
        assert isinstance(warned[0], Warned)

    run(work, batch_size=4, on_event=warned.append)


def test_a_worker_that_ended_while_it_was_idle_costs_no_photo_a_try():
    async def work(dispatcher):
        lane = GatedLane()
        lane.gate.set()
        await dispatcher.add(lane)
        lane.alive = False
        (task,) = await submitted(dispatcher, b"photo")
        assert ((await task).body, lane.starts) == (b"photo", 2)
        assert lane.batches == [[b"photo"]]

    run(work)


def test_places_are_limited_and_none_is_left_after_draining():
    async def work(dispatcher):
        with pytest.raises(RefusedError, match="loading"), dispatcher.admitted():
            pass
        await dispatcher.add(GatedLane())
        assert dispatcher.state == "ready"
        with dispatcher.admitted(), dispatcher.admitted():
            with pytest.raises(RefusedError) as refused, dispatcher.admitted():
                pass
            assert (refused.value.status, refused.value.retry_after_s) == (429, 1)
            assert not await dispatcher.drain(0.01)
        assert await dispatcher.drain(0.01)
        with pytest.raises(RefusedError, match="shutting down"), dispatcher.admitted():
            pass
        assert dispatcher.state == "draining"

    run(work, queue=1)


def test_what_is_predicted_at_the_end_is_refused():
    async def work(dispatcher):
        await dispatcher.add(GatedLane())
        tasks = await submitted(dispatcher, b"busy", b"waits")
        await dispatcher.stop()
        assert [(await task).status for task in tasks] == [503, 503]

    run(work)


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 0},
        {"queue": 0},
        {"batch_wait": "soon"},
        {"max_bytes": "many"},
        {"timeout": 0},
    ],
)
def test_a_wrong_limit_is_named(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Limits(**wrong)
