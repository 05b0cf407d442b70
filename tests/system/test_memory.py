"""Memory of this process."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from instseg.core.errors import ArgumentError
from instseg.system.memory import (
    _free_in_cgroups,
    highest_memory_bytes,
    memory_bytes,
    memory_limit_bytes,
    no_garbage_collection,
    parse_bytes,
    size_in_words,
)

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


def run_limited(program: str, limit_bytes: int) -> int:
    """What a program writes whose address space is limited."""
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({limit_bytes},) * 2)\n"
    told = subprocess.run(
        [sys.executable, "-c", limited + program], capture_output=True, check=True
    )
    return int(told.stdout)


def test_the_limit_is_what_the_machine_and_the_address_space_leave():
    program = "from instseg.system.memory import memory_limit_bytes\nprint(memory_limit_bytes())"
    assert memory_bytes() < (memory_limit_bytes() or 0) < 2**50
    assert 50_000_000 < run_limited(program, 400_000_000) < 400_000_000


@pytest.mark.parametrize(
    ("controllers", "limit", "used", "cached"),
    [
        ("", "memory.max", "memory.current", "inactive_file"),
        (
            "cpu,memory",
            "memory/memory.limit_in_bytes",
            "memory/memory.usage_in_bytes",
            "total_inactive_file",
        ),
    ],
)
def test_the_limit_of_every_control_group_counts(tmp_path, controllers, limit, used, cached):
    def group(path: str, most: str, now: int, files: int) -> None:
        for name, content in ((limit, most), (used, str(now))):
            file = tmp_path / Path(name).parent / path / Path(name).name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content + "\n")
        (file.parent / "memory.stat").write_text(f"anon 7\n{cached} {files}\n")

    membership = tmp_path / "cgroup"
    membership.write_text(f"12:pids:/other\n3:{controllers}:/pod/container\n")
    assert _free_in_cgroups(tmp_path, membership) is None
    group("pod/container", "max", 600, 0)
    assert _free_in_cgroups(tmp_path, membership) is None
    group("pod", "1000", 600, 50)
    assert _free_in_cgroups(tmp_path, membership) == 450
    group(".", "700", 600, 0)  # all that a container sees
    assert _free_in_cgroups(tmp_path, membership) == 100


def test_sizes_are_read_as_people_write_them():
    sizes = {"4GB": 4e9, "2GiB": 2**31, "512 mb": 512e6, "1.5G": 1.5e9, "3000": 3000, 3000: 3000}
    assert {size: parse_bytes(size) for size in sizes} == sizes
    for wrong in ("", "4 people", "-1GB", "0", "GB", "1e9"):
        with pytest.raises(ArgumentError, match="must be a size such as 4GB"):
            parse_bytes(wrong)
    assert [size_in_words(size) for size in (2.54e9, 31e6)] == ["2.5 GB", "31 MB"]
