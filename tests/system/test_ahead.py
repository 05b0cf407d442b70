"""Work in threads, a few items ahead."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from instseg.system.ahead import AHEAD, map_ahead, pool_of


def test_map_ahead_keeps_order_and_never_runs_far_ahead():
    started = 0
    lock = threading.Lock()

    def work(number: int) -> int:
        nonlocal started
        with lock:
            started += 1
        time.sleep(0.002 * (number % 3))
        return number

    with ThreadPoolExecutor(4) as pool:
        for taken, number in enumerate(map_ahead(pool, work, range(50))):
            assert number == taken
            assert started <= taken + 1 + AHEAD


def test_work_that_has_not_begun_is_dropped_at_the_end_of_the_block():
    dropped = threading.Event()
    with pool_of(1) as pool:
        begun = pool.submit(dropped.wait, 60)
        waiting = pool.submit(abs, -1)
        waiting.add_done_callback(lambda _: dropped.set())
    assert begun.result() is True
    assert waiting.cancelled()
