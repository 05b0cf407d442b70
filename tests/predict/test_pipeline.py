"""Reading and predicting at once: order, failures, and no thread left behind."""

import gc
import threading
import time

import pytest

from instseg.core.errors import InputError
from instseg.predict.pipeline import WorkTime, look_ahead, raised
from instseg.system.threads import Workers


def look(items, *, read=str, predict=None, batch_size=1, workers=2):
    predict = predict or (lambda images: [f"found {image}" for image in images])
    return look_ahead(items, read, predict, batch_size=batch_size, workers=Workers(workers, 1))


def own_threads():
    return {each for each in threading.enumerate() if "ThreadPoolExecutor" in each.name}


@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_photo_that_fails_leaves_the_others_in_order(batch_size):
    def read(number):
        if number == 2:
            raise InputError("2.jpg: not an image")
        return number

    def predict(numbers):
        if 5 in numbers:
            raise MemoryError
        return [-number for number in numbers]

    seen = list(look(range(8), read=read, predict=predict, batch_size=batch_size))
    assert [each.item for each in seen] == list(range(8))
    assert [each.image for each in seen] == [0, 1, None, 3, 4, 5, 6, 7]
    found = [each.found for each in seen]
    assert isinstance(found[2], InputError) and isinstance(found[5], MemoryError)
    assert [found[i] for i in (0, 1, 3, 4, 6, 7)] == [0, -1, -3, -4, -6, -7]


def test_reading_and_two_workers_overlap():
    """Each step waits for another one to run at the same time, so it would not end otherwise."""
    together = threading.Barrier(2)
    reading_on = threading.Event()

    def read(number):
        if number == 2:
            reading_on.set()
        return number

    def predict(numbers):
        together.wait(60)  # for the other worker
        assert reading_on.wait(60)
        return numbers

    assert [each.found for each in look(range(4), read=read, predict=predict)] == [0, 1, 2, 3]


@pytest.mark.parametrize("how", ["closed", "forgotten"])
def test_an_abandoned_stream_leaves_no_thread(how):
    before = own_threads()
    stream = raised(look(iter(int, 1)), lambda number, item: "")
    assert next(stream) == "found 0"
    assert own_threads() > before
    if how == "closed":
        stream.close()
    del stream
    gc.collect()
    assert own_threads() == before


def test_a_failure_ends_a_stream_and_its_threads_and_names_the_photo():
    def read(number):
        if number == 3:
            raise KeyError("colour")
        return number

    before = own_threads()
    stream = raised(look(range(9), read=read), lambda number, item: f"images[{number}]")
    taken = [next(stream) for _ in range(3)]
    with pytest.raises(KeyError) as problem:
        next(stream)
    assert taken == ["found 0", "found 1", "found 2"]
    assert problem.value.__notes__ == ["in images[3]"]
    assert own_threads() == before
    assert list(stream) == []


def test_a_photo_too_large_for_the_memory_is_named_in_one_line():
    def predict(images):
        raise RuntimeError("not enough memory: you tried to allocate 7 bytes")

    stream = raised(look(["a.jpg"], predict=predict), lambda number, item: item)
    with pytest.raises(InputError, match=r"^a\.jpg: is too large for the memory; make it smaller"):
        next(stream)


def test_work_time_is_the_mean_of_the_threads():
    work, begin = WorkTime(), time.monotonic()
    work.of(time.sleep, 2)(0.02)
    assert 0.01 <= work.seconds <= (time.monotonic() - begin) / 2


def test_work_that_fails_counts_too():
    def fail(seconds):
        time.sleep(seconds)
        raise KeyError

    work = WorkTime()
    with pytest.raises(KeyError):
        work.of(fail, 1)(0.02)
    assert work.seconds >= 0.02
