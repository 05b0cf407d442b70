"""What training returns."""

from pathlib import Path

import pytest

from instseg.training.result import FinetuneResult, TrainUnetResult

AP = {"bbox": {"AP": 0.5}, "segm": {"AP": 0.25}}


def make(kind=FinetuneResult, **options):
    found = {"best": Path("out/best.safetensors"), "metrics": {}, "history": []}
    return kind(**{**found, "steps": 7, "finished": True, **options})


def test_it_is_one_short_line():
    assert repr(make()) == "FinetuneResult('out/best.safetensors', 7 steps)"
    assert repr(make(metrics=AP, finished=False)) == (
        "FinetuneResult('out/best.safetensors', 7 steps, box AP 0.500, mask AP 0.250, not finished)"
    )
    scores = {"mIoU": 0.75, "mIoU_fg": None}
    assert repr(make(TrainUnetResult, metrics={"scores": scores, "IoU": {}})) == (
        "TrainUnetResult('out/best.safetensors', 7 steps, mIoU 0.750, mIoU_fg -)"
    )


def test_a_notebook_shows_the_history_and_no_markup_of_a_path():
    history = [{"epoch": 1, "mask_AP": 0.125}, {"epoch": 2, "mask_AP": float("nan")}]
    found = make(best=Path("<b>/best.safetensors"), history=history)._repr_html_()
    assert "<b>" not in found and "&lt;b&gt;" in found
    assert "<tr><th>epoch</th><th>mask_AP</th></tr>" in found
    assert "<tr><td>1</td><td>0.125</td></tr><tr><td>2</td><td>-</td></tr>" in found
    assert "mask_AP: 0.125 at 1" in found
    assert "<table>" not in make()._repr_html_()


def test_it_cannot_be_changed():
    with pytest.raises(AttributeError):
        make().steps = 8
