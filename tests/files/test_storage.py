"""Files by path or address, in a file system of fsspec that lives in memory."""

from pathlib import Path

import pytest

from instseg.core.errors import InputError
from instseg.files.storage import as_address, is_remote, names_in, read_bytes, write_bytes


def test_an_address_survives_being_a_path():
    assert as_address(Path("s3://bucket/photos/1.jpg")) == "s3://bucket/photos/1.jpg"
    assert as_address("s3://bucket/photos") == "s3://bucket/photos"
    assert as_address(Path("out/s3:/x")) == "out/s3:/x"
    assert [is_remote(p) for p in ("gs://b", "/data", "C:/data", "a:b", "out")] == [
        True,
        *[False] * 4,
    ]


@pytest.mark.parametrize("kind", ["local", "remote"])
def test_files_are_written_listed_and_read(kind, tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    folder = str(tmp_path) if kind == "local" else f"memory://{tmp_path.name}"
    assert names_in(f"{folder}/found") == []
    write_bytes(f"{folder}/found/b", b"2")
    write_bytes(f"{folder}/found/a", b"1")
    write_bytes(f"{folder}/found/b", b"3")
    assert names_in(f"{folder}/found") == ["a", "b"]
    assert read_bytes(f"{folder}/found/b") == b"3"
    with pytest.raises(InputError, match="found/c: "):
        read_bytes(f"{folder}/found/c")


def test_an_unknown_service_is_told():
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    with pytest.raises(InputError, match=r"nowhere://bucket/x: .*[Pp]rotocol"):
        read_bytes("nowhere://bucket/x")
