import hashlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from instseg.core.errors import InputError
from instseg.files.download import fetch, sha256_of

DATA = bytes(range(256)) * 12_000  # 3 MB, so that it comes in several pieces
SHA256 = hashlib.sha256(DATA).hexdigest()


class Server(BaseHTTPRequestHandler):
    """Serves DATA, well or badly, by the path that is asked for."""

    asked: ClassVar[list[str]] = []
    ranges: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.ranges.append(self.headers.get("Range"))
        if self.path == "/missing":
            self.send_error(404)
            return
        if self.path.startswith("/parts") and self.headers.get("Range"):
            self.send_rest(int(self.headers["Range"].removeprefix("bytes=").removesuffix("-")))
            return
        self.send_response(200)
        if self.path != "/no-length":
            self.send_header("Content-Length", str(len(DATA)))
        self.end_headers()
        first_try = self.asked.count(self.path) == 1
        if self.path == "/always-cut" or (self.path in ("/cut-once", "/parts") and first_try):
            self.wfile.write(DATA[:1_500_000])
        elif self.path == "/trickle":
            for byte in range(60):
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(0.05)
        elif self.path == "/slow":
            for start in range(0, len(DATA), 300_000):
                self.wfile.write(DATA[start : start + 300_000])
                time.sleep(0.03)
        elif self.path == "/silent":
            time.sleep(0.5)
        else:
            self.wfile.write(DATA)

    def send_rest(self, start: int) -> None:
        if start >= len(DATA):
            self.send_error(416)
            return
        self.send_response(206)
        self.send_header("Content-Length", str(len(DATA) - start))
        self.end_headers()
        self.wfile.write(DATA[start:])

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    Server.asked.clear()
    Server.ranges.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as http:
        threading.Thread(target=partial(http.serve_forever, 0.01), daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def assert_refused(
    url: str, folder: Path, *words: str, prefix: str = SHA256[:8], timeout_s: float = 30.0
) -> None:
    """The download fails in one line that has the address and these words, and leaves nothing."""
    with pytest.raises(InputError) as caught:
        fetch(url, folder / "file.pth", sha256_prefix=prefix, timeout_s=timeout_s)
    message = str(caught.value)
    assert message.startswith(f"{url}: ")
    assert "\n" not in message
    for word in words:
        assert word in message
    assert [path.name for path in folder.iterdir() if path.name != ".file.pth.part"] == []


def test_success_with_progress(server: str, tmp_path: Path) -> None:
    target = tmp_path / "new" / "file.pth"
    steps: list[tuple[int, int]] = []
    digest = fetch(
        f"{server}/file",
        target,
        sha256_prefix=SHA256[:8],
        progress=lambda done, total: steps.append((done, total)),
    )
    assert digest == sha256_of(target) == SHA256
    assert target.read_bytes() == DATA
    assert list(target.parent.iterdir()) == [target]
    assert len(steps) > 1
    assert steps == sorted(steps)
    assert steps[-1] == (len(DATA), len(DATA))


def test_server_that_does_not_tell_the_length(server: str, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    fetch(
        f"{server}/no-length",
        tmp_path / "file.pth",
        sha256_prefix=SHA256,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert (tmp_path / "file.pth").read_bytes() == DATA
    assert steps[-1] == (len(DATA), 0)


def test_file_address_works_as_a_mirror(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(DATA)
    fetch((tmp_path / "source").as_uri(), tmp_path / "file.pth", sha256_prefix=SHA256[:8])
    assert (tmp_path / "file.pth").read_bytes() == DATA


def test_cut_off_once_is_tried_again(server: str, tmp_path: Path) -> None:
    fetch(f"{server}/cut-once", tmp_path / "file.pth", sha256_prefix=SHA256[:8])
    assert (tmp_path / "file.pth").read_bytes() == DATA
    assert Server.asked == ["/cut-once"] * 2


def test_cut_off_every_time(server: str, tmp_path: Path) -> None:
    assert_refused(f"{server}/always-cut", tmp_path, "cut off 3 times", "of 3072000 bytes")
    assert Server.asked == ["/always-cut"] * 3


def test_a_broken_transfer_goes_on_where_it_broke(server: str, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    fetch(
        f"{server}/parts",
        tmp_path / "file.pth",
        sha256_prefix=SHA256,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert (tmp_path / "file.pth").read_bytes() == DATA
    assert Server.ranges == [None, "bytes=1500000-"]
    assert steps == sorted(steps)
    assert {total for _, total in steps} == {len(DATA)}
    assert list(tmp_path.iterdir()) == [tmp_path / "file.pth"]


@pytest.mark.parametrize(
    ("begun", "ranges"),
    [
        (DATA[:1_000_000], ["bytes=1000000-"]),
        (DATA, []),
        (b"of another file", ["bytes=15-", None]),
        (DATA + b"more", [f"bytes={len(DATA) + 4}-", None]),
    ],
)
def test_a_later_run_goes_on_with_what_an_earlier_one_left(
    server: str, tmp_path: Path, begun: bytes, ranges: list[str | None]
) -> None:
    (tmp_path / ".file.pth.part").write_bytes(begun)
    fetch(f"{server}/parts-later", tmp_path / "file.pth", sha256_prefix=SHA256)
    assert (tmp_path / "file.pth").read_bytes() == DATA
    assert Server.ranges == ranges
    assert list(tmp_path.iterdir()) == [tmp_path / "file.pth"]


def test_what_was_cut_off_every_time_is_kept_for_the_next_run(server: str, tmp_path: Path) -> None:
    assert_refused(f"{server}/always-cut", tmp_path, "cut off 3 times")
    fetch(f"{server}/parts-later", tmp_path / "file.pth", sha256_prefix=SHA256)
    assert Server.ranges[-1] == "bytes=1500000-"
    assert (tmp_path / "file.pth").read_bytes() == DATA


def test_server_that_only_trickles(server: str, tmp_path: Path) -> None:
    assert_refused(f"{server}/trickle", tmp_path, "cut off 3 times", "in 0.3 s", timeout_s=0.3)


@pytest.mark.parametrize("path", ["/file", "/no-length"])
def test_larger_than_the_limit(server: str, tmp_path: Path, path: str) -> None:
    with pytest.raises(InputError, match="is larger than 2,000,000 bytes; check the address"):
        fetch(f"{server}{path}", tmp_path / "file.pth", sha256_prefix=SHA256, max_bytes=2_000_000)
    assert list(tmp_path.iterdir()) == []


def test_server_that_falls_silent(server: str, tmp_path: Path) -> None:
    assert_refused(f"{server}/silent", tmp_path, "cut off 3 times", "timed out", timeout_s=0.1)


def test_wrong_hash(server: str, tmp_path: Path) -> None:
    assert_refused(
        f"{server}/file", tmp_path, f"SHA-256 {SHA256}", "expected 0123abcd", prefix="0123abcd"
    )


def test_wrong_hash_keeps_the_file_that_was_there(server: str, tmp_path: Path) -> None:
    (tmp_path / "file.pth").write_text("old")
    with pytest.raises(InputError):
        fetch(f"{server}/file", tmp_path / "file.pth", sha256_prefix="0123abcd")
    assert (tmp_path / "file.pth").read_text() == "old"


def test_missing_on_the_server(server: str, tmp_path: Path) -> None:
    assert_refused(f"{server}/missing", tmp_path, "404 Not Found")
    assert Server.asked == ["/missing"]


def test_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1,no-such-host.invalid")
    with socket.socket() as closed:  # bound, but nobody listens
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/file"
        assert_refused(url, tmp_path, "cannot be reached", "refused", "check the network")
    assert_refused("http://no-such-host.invalid/file", tmp_path, "cannot be reached")


def test_no_address_at_all(tmp_path: Path) -> None:
    assert_refused("mirror/file", tmp_path, "cannot be reached", "unknown url type")


def test_unwritable_place_is_named(server: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/weights\.pth: cannot be written"):
        fetch(f"{server}/file", tmp_path / "file" / "weights.pth", sha256_prefix=SHA256[:8])


def test_two_processes_at_once(server: str, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from instseg.files.download import fetch; "
        "print(fetch(sys.argv[1], pathlib.Path(sys.argv[2]), sha256_prefix=sys.argv[3]))"
    )
    target = tmp_path / "cache" / "file.pth"
    command = [sys.executable, "-c", code, f"{server}/slow", str(target), SHA256[:8]]
    root = Path(__file__).parents[2]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) for _ in range(2)
    ]
    outputs = [process.communicate(timeout=30)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert outputs == [SHA256, SHA256]
    assert target.read_bytes() == DATA
    assert list(target.parent.iterdir()) == [target]
