"""Decoders that say nothing, in one thread or in several."""

import logging
import warnings
from concurrent.futures import ThreadPoolExecutor

from instseg.files.quiet import QuietDecoders


def state():
    return warnings.filters[:], [
        h for n in ("PIL", "tifffile") for h in logging.getLogger(n).handlers
    ]


def test_what_was_silenced_is_put_back_by_the_last_one_out():
    before = state()
    quiet = QuietDecoders()
    with quiet:
        with quiet:
            pass
        assert state() != before
    assert state() == before


def test_several_threads_at_once():
    before = state()
    quiet = QuietDecoders()

    def enter(_):
        with quiet:
            return state() != before

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(enter, range(100)))
    assert state() == before
