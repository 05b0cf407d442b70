"""From photo files to RLE beside torchvision's pipeline."""

import pytest

from instseg.benchmark.infer import draw_photos, measure_inference
from instseg.core.events import Progress


def test_figures_of_drawn_photos(tiny_weights, tmp_path, capsys):
    photos = draw_photos(tmp_path)
    events = []
    figures = measure_inference(
        photos, weights=str(tiny_weights), repeats=1, on_event=events.append
    )
    assert figures["photos"] == len(photos) == 4
    assert figures["ratio"] == figures["peer"]["median"] / figures["ours"]["median"]
    assert events[-1] == Progress(task="measuring", done=2, total=2, unit="rounds")
    assert capsys.readouterr() == ("", "")


def test_figures_of_several_photos_at_once(tiny_weights, tmp_path):
    photos = draw_photos(tmp_path)
    figures = measure_inference(photos, weights=str(tiny_weights), batch_size=3, repeats=1)
    assert (figures["batch_size"], figures["device"]) == (3, "cpu")
    assert figures["ratio"] == pytest.approx(figures["peer"]["median"] / figures["ours"]["median"])
