"""A worker process by itself."""

import subprocess
import sys

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from instseg.serving.messages import Setup, framed
from instseg.serving.worker import PROGRAM


def test_it_ends_quietly_when_the_service_has_ended(tiny_weights):
    setup = Setup(predictor={"weights": str(tiny_weights)}, max_pixels=10_000, threads=1)
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([sys.executable, "-c", PROGRAM], **pipes) as process:
        process.stdin.write(framed(setup))
        process.stdout.close()
        process.stdin.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
