"""`instseg serve`: what keeps it from starting is one line."""

import socket

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("uvicorn", reason="needs the extra serve")

from instseg.cli import main


def test_weights_that_are_not_there(capsys):
    assert main(["serve", "--weights", "nowhere.safetensors", "--port", "0"]) == 2
    assert "nowhere.safetensors" in capsys.readouterr().err


def test_a_port_that_is_taken(tiny_weights, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--weights", str(tiny_weights), "--port", str(port)]) == 2
    assert f"--port {port}: cannot listen there" in capsys.readouterr().err


def test_an_option_that_the_predictor_refuses(tiny_weights, capsys):
    options = ["--port", "0", "--workers", "1", "--tile", "3"]
    assert main(["serve", "--weights", str(tiny_weights), *options]) == 2
    assert "--tile must lie between 64 and 100,000, not 3" in capsys.readouterr().err
