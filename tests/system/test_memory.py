"""Memory of this process."""

import gc
import subprocess
import sys

import pytest

from instseg.system.memory import highest_memory_bytes, no_garbage_collection

PROGRAM = """
from instseg.system.memory import highest_memory_bytes
before = highest_memory_bytes()
held = b"x" * 50_000_000
print(highest_memory_bytes() - before)
"""


def test_the_highest_memory_grows_with_what_is_held():
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True)
    assert 40_000_000 < int(told.stdout) < 80_000_000
    assert highest_memory_bytes() > 1_000_000


def test_garbage_collection_is_put_back_as_it_was():
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError), no_garbage_collection():
        assert not gc.isenabled()
        with no_garbage_collection():
            pass
        assert not gc.isenabled()
        raise ZeroDivisionError
    assert gc.isenabled()
