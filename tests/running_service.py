"""A service in a process of its own, and requests to it."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TOOL = Path(__file__).resolve().parents[1] / "tools" / "serve.py"
PATIENCE_S = 300.0
BOUNDARY = "----a-boundary"


@dataclass
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


@dataclass
class Running:
    """A running service."""

    port: int
    process: subprocess.Popen | None = None
    key: str = ""

    def ask(self, path="/predict", body=None, headers=None) -> Reply:
        """One request: POST with a body, and GET without."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        given = {"X-API-Key": self.key} if self.key else {}
        method = "GET" if body is None else "POST"
        try:
            connection.request(method, path, body, {**given, **(headers or {})})
            reply = connection.getresponse()
            return Reply(reply.status, dict(reply.headers), reply.read())
        finally:
            connection.close()

    def begin(self, length: int, part: bytes) -> socket.socket:
        """A request whose body is not yet complete."""
        held = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
        lines = ["POST /predict HTTP/1.1", "Host: here", f"Content-Length: {length}"]
        lines += [f"X-API-Key: {self.key}"] if self.key else []
        held.sendall("\r\n".join([*lines, "", ""]).encode() + part)
        return held

    def metric(self, name: str) -> float:
        text = self.ask("/metrics").body.decode()
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def workers(self) -> list[int]:
        """The process ids of the workers."""
        assert self.process
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(each) for each in path.read_text().split()]


def wait_until(condition) -> None:
    """Poll until it holds, and for long, as the machine may be busy."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def end_of(held: socket.socket) -> Reply:
    """The answer to a request of `Running.begin`."""
    reply = http.client.HTTPResponse(held)
    reply.begin()
    return Reply(reply.status, dict(reply.headers), reply.read())


def form(*parts: tuple[str, bytes]) -> tuple[bytes, dict[str, str]]:
    """Files, (name, content), as a form: its body and headers."""
    body = b""
    for number, (name, content) in enumerate(parts):
        body += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="p{number}"; '.encode()
        body += f'filename="{name}"\r\n\r\n'.encode() + content + b"\r\n"
    body += f"--{BOUNDARY}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@contextmanager
def served_here(app) -> Iterator[Running]:
    """An application of `make_app`, in a thread of this process."""
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield Running(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def running(*options: str, key: str = "", **environment: str) -> Iterator[Running]:
    """`tools/serve.py` on a free port, ready for photos; killed at the end if it still runs."""
    env = {**os.environ, "INSTSEG_API_KEY": key, **environment}
    command = [sys.executable, str(TOOL), "--port", "0", *options]
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        found = None
        for line in process.stdout:
            if found := re.search(r"http://[\d.]+:(\d+)/predict", line):
                break
        assert found, f"it ended with {process.wait()}"
        yield Running(int(found[1]), process, key)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
