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


@pytest.mark.parametrize("key", ["schlüssel", "from a file\n", " ", "\udcff"])
def test_a_key_that_no_request_can_bring(key, tiny_weights, monkeypatch, capsys):
    monkeypatch.setenv("INSTSEG_API_KEY", key)
    assert main(["serve", "--weights", str(tiny_weights), "--port", "0"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "INSTSEG_API_KEY" in line


def test_a_host_whose_name_no_host_can_have(tiny_weights, capsys):
    assert main(["serve", "--weights", str(tiny_weights), "--host", "ü" * 70, "--port", "0"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "and --port 0: cannot listen there (not a name of a host)" in line


def test_threads_by_level_are_no_failure(tiny_weights, monkeypatch, capsys):
    monkeypatch.setenv("OMP_NUM_THREADS", "1,2")
    options = ["--port", "0", "--workers", "1", "--tile", "3"]
    assert main(["serve", "--weights", str(tiny_weights), *options]) == 2
    assert "--tile must lie between" in capsys.readouterr().err
