import threading

import pytest

from instseg.system.newest import newest


def test_items_that_nobody_takes_in_time_are_dropped():
    taken, ended = threading.Event(), threading.Event()

    def source():
        yield 0
        taken.wait(60)
        yield from range(1, 10)
        ended.set()

    items = newest(source())
    first = next(items)
    taken.set()
    ended.wait(60)
    assert (first, list(items)) == (0, [8, 9])


def test_errors_come_after_the_items_before_them():
    def source():
        yield 1
        raise OSError("gone")

    items = newest(source())
    assert next(items) == 1
    with pytest.raises(OSError, match="gone"):
        next(items)


def test_the_source_is_closed_with_the_items():
    closed = threading.Event()

    def source():
        try:
            while True:
                yield 1
        finally:
            closed.set()

    items = newest(source())
    next(items)
    items.close()
    assert closed.is_set()
