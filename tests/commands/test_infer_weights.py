"""Which weights and thresholds `instseg infer` uses, without internet access."""

import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instseg import Predictor
from instseg.cli import main
from instseg.files.model_file import read_model_card, with_card
from instseg.files.weights import NAMED, NoDownloadError

METRICS = {
    "segm": {"AP": 0.1524, "AP50": 0.3, "intervals": {"AP": [0.131, 0.17]}},
    "data": {"images": 100},
}


class Refusing(BaseHTTPRequestHandler):
    """A server that has no file for anyone."""

    def do_GET(self) -> None:
        self.send_error(403)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def offline(tmp_path, monkeypatch, tiny_weights) -> Path:
    """No COCO weights, a mirror that refuses, and small weights as `photos`; gives their folder."""
    changed = replace(NAMED["coco-v2"], file_name="missing.pth")
    monkeypatch.setitem(NAMED, "coco-v2", changed)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    own = tmp_path / "own"
    monkeypatch.setenv("INSTSEG_WEIGHTS", str(own))
    card = replace(read_model_card(tiny_weights), provenance={"metrics": METRICS})
    with_card(tiny_weights, replace(card, thresholds={"cat": 0.01}), own / "photos.safetensors")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("INSTSEG_WEIGHTS_URL", f"http://127.0.0.1:{server.server_address[1]}")
    yield own
    server.shutdown()
    server.server_close()


@pytest.fixture
def photo(tmp_path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def infer(photo: Path, out: Path, *options: str) -> int:
    return main(["infer", str(photo), "--device", "cpu", "--out", str(out), *options])


def info(out: Path) -> dict:
    return json.loads((out / "predictions.json").read_text())["info"]


def test_photos_stand_in_for_weights_that_cannot_be_downloaded(offline, photo, tmp_path, capsys):
    out = tmp_path / "out"
    assert infer(photo, out) == 0
    (line,) = capsys.readouterr().err.splitlines()
    for words in (
        "coco-v2 is not on this machine and could not be downloaded",
        "the server answered 403",
        "Using the embedded weights photos instead",
        "mask AP 0.152 (0.131 to 0.170) on 100 photos; coco-v2 has 0.418 on COCO val2017",
        f"put missing.pth (SHA-256 starts with 73cbd019) into {offline}",
        "--weights photos uses these without a warning",
    ):
        assert words in line
    assert info(out)["weights"] == "photos"
    assert info(out)["architecture"] == "compact"
    assert info(out)["score_threshold"] == "stored"
    with Image.open(out / "photo.png") as overlay:
        assert overlay.info["Comment"].endswith("with the weights photos")


def test_weights_that_were_asked_for_are_not_replaced(offline, photo, tmp_path, capsys):
    out = tmp_path / "out"
    assert infer(photo, out, "--weights", "coco-v2") == 2
    (line,) = capsys.readouterr().err.splitlines()
    for words in ("connect to the internet", f"into {offline}", "use the weights photos"):
        assert words in line
    assert "demo" not in line
    assert not out.exists()
    for predictor in (lambda: Predictor("coco-v2"), Predictor):
        with pytest.raises(NoDownloadError, match="use the weights photos, which need no download"):
            predictor()


@pytest.mark.parametrize("name", ["photos", "embedded"])
def test_photos_by_name_need_no_warning(offline, photo, tmp_path, capsys, name):
    assert infer(photo, tmp_path / "out", "--weights", name) == 0
    assert capsys.readouterr().err == ""
    assert info(tmp_path / "out")["weights"] == "photos"


def test_stored_thresholds_are_the_default(offline, photo, tmp_path, capsys):
    assert infer(photo, tmp_path / "a", "--weights", "photos") == 0
    said = "photos: minimum scores are those stored for 1 class, 0.01; --score-threshold X"
    assert said in capsys.readouterr().out
    found = json.loads((tmp_path / "a" / "predictions.json").read_text())["annotations"]
    assert found and all(each["score"] > {17: 0.01, 18: 0.5}[each["category_id"]] for each in found)
    assert infer(photo, tmp_path / "b", "--weights", "photos", "--score-threshold", "0.9999") == 0
    assert "minimum scores" not in capsys.readouterr().out
    assert json.loads((tmp_path / "b" / "predictions.json").read_text())["annotations"] == []
    assert info(tmp_path / "b")["score_threshold"] == 0.9999


def test_a_run_of_other_weights_is_not_continued(offline, photo, tmp_path, capsys, tiny_weights):
    out = tmp_path / "out"
    assert infer(photo, out, "--weights", str(tiny_weights)) == 0
    capsys.readouterr()
    assert infer(photo, out, "--resume") == 2
    assert "was made with the weights tiny.safetensors, not photos" in capsys.readouterr().err
    assert infer(photo, out, "--resume", "--weights", str(tiny_weights)) == 0
