"""How many processors there are for this process."""

import math
import os
import subprocess
import sys

import pytest

from instseg.system.processors import (
    _quotas,
    _work,
    allowed_processors,
    free_processors,
    min_until_zero,
)


@pytest.fixture
def groups(tmp_path):
    """The folder of control groups, and the file that names those of the process."""
    membership = tmp_path / "cgroup"

    def quotas(membership_text: str, **files: str) -> list[float]:
        membership.write_text(membership_text)
        for name, content in files.items():
            path = tmp_path / "groups" / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return list(_quotas(tmp_path / "groups", membership))

    return quotas


def test_a_group_without_a_limit_or_without_files(groups):
    assert groups("0::/job\n") == []
    assert groups("0::/job\n", **{"job__cpu.max": "max 100000\n"}) == []
    assert groups("4:memory:/job\n", **{"job__cpu.max": "100000 100000\n"}) == []


def test_the_quota_of_a_group_and_of_those_above_it(groups):
    files = {"a__b__cpu.max": "150000 100000\n", "a__cpu.max": "400000 100000\n"}
    assert groups("0::/a/b\n", **files) == [1.5, 4.0]


def test_the_quota_of_the_older_kind_of_groups(groups):
    files = {"cpu__a__cpu.cfs_quota_us": "200000\n", "cpu__a__cpu.cfs_period_us": "100000\n"}
    files |= {"cpu__cpu.cfs_quota_us": "-1\n", "cpu__cpu.cfs_period_us": "100000\n"}
    assert groups("3:cpu,cpuacct:/a\n2:memory:/a\n", **files) == [2.0]


def test_a_process_may_use_the_processors_that_it_is_bound_to():
    assert 1 <= free_processors(0.01) <= allowed_processors() <= (os.cpu_count() or 1)
    assert not math.isinf(allowed_processors())


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux only")
def test_a_process_bound_to_one_processor():
    program = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from instseg.system.processors import allowed_processors, free_processors\n"
        "print(allowed_processors(), free_processors())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "1"]


def test_work_of_lower_priority_leaves_a_processor_free():
    busy = _work("10", "500", "3", "70", "9", "1", "2")
    assert busy == (516 if os.nice(0) > 0 else 16)


def test_the_least_busy_moment_counts():
    assert min_until_zero(iter([2, 1, 3])) == 1
    assert min_until_zero(iter([2, 0, 3])) == 0
    rest = iter([0, 5])
    assert min_until_zero(rest) == 0
    assert next(rest) == 5  # no longer sample is taken than needed
