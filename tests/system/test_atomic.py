import errno
import os
from pathlib import Path

import pytest

from instseg.core.errors import InputError
from instseg.system.atomic import (
    is_full_disk,
    is_running,
    make_folder,
    naming_file,
    replacing,
    set_aside,
)


def test_file_appears_when_the_block_is_done(tmp_path: Path) -> None:
    target = tmp_path / "new" / ("n" * 250 + ".txt")  # nearly as long as a name may be
    with replacing(target, durable=True) as temporary:
        temporary.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


def test_failure_keeps_the_old_file_and_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="stopped"), replacing(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("stopped")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_unwritable_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    target = tmp_path / "file" / "a.txt"
    with pytest.raises(InputError, match="cannot be written") as caught, replacing(target):
        pass
    assert str(caught.value).startswith(f"{target}: ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no always-full device here")
def test_full_disk_is_reported_as_such(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    with pytest.raises(InputError, match="No space left"), replacing(target) as temporary:
        temporary.symlink_to("/dev/full")
        temporary.write_text("too much")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"c: cannot be made .*; choose another folder"):
        make_folder(tmp_path / "file" / "c")


def test_only_a_full_disk_is_a_full_disk(tmp_path):
    def problem(number: int) -> InputError:
        with pytest.raises(InputError, match=r"a\.txt: cannot be written") as caught:  # noqa: SIM117
            with naming_file(tmp_path / "a.txt"):
                raise OSError(number, os.strerror(number))
        return caught.value

    assert is_full_disk(problem(errno.ENOSPC))
    assert is_full_disk(OSError(errno.EDQUOT, "quota"))
    assert not is_full_disk(problem(errno.ENAMETOOLONG))
    assert not is_full_disk(InputError("something else"))
    assert not is_full_disk(MemoryError())


def test_which_processes_are_running():
    assert is_running(os.getpid())
    assert is_running(1)
    assert not is_running(0)
    assert not is_running(10**30)


def test_what_is_set_aside_gets_the_next_free_name(tmp_path):
    path = tmp_path / "best.safetensors"
    assert set_aside(path) is None
    for number in (1, 2):
        path.write_text(str(number))
        assert set_aside(path) == tmp_path / f"best_{number}.safetensors"
        assert not path.exists()
    assert (tmp_path / "best_1.safetensors").read_text() == "1"
