"""Pipes and devices are no files."""

import os
from pathlib import Path

import pytest

from instseg.core.errors import InputError
from instseg.system.regular import require_regular_file


def test_pipes_and_devices_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path / "link", Path("/dev/zero")):
        with pytest.raises(InputError, match=f"{path}: is a pipe or a device, not a file"):
            require_regular_file(path)


def test_files_folders_and_missing_files_pass(tmp_path):
    (tmp_path / "file").touch()
    for name in ("", "file", "missing", "n" * 300):
        require_regular_file(tmp_path / name)
