"""`finetune --tile`: training and validation on tiles of large photos."""

import threading

import numpy as np
import pytest
from safetensors.numpy import load_file

import instseg
from instseg.core.events import Notice, StepDone
from instseg.evaluation.coco_ap import METRICS
from instseg.files.model_file import read_model_card
from instseg.scenes.scene import SceneConfig, write_scenes

TILE = 64


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    config = SceneConfig(size_hw=(96, 96), object_px=(12, 30), objects=(2, 3))
    return write_scenes(tmp_path_factory.mktemp("scenes"), 2, config)


@pytest.fixture
def train(scenes, tiny_weights, tmp_path):
    """Trains for two small steps."""

    def train(out, **more):
        return instseg.finetune(
            scenes,
            scenes.parent / "images",
            val_coco_json=scenes,
            weights=tiny_weights,
            tile=TILE,
            batch_size=2,
            max_steps=2,
            workers=0,
            device="cpu",
            precision="fp32",
            out=tmp_path / out,
            **more,
        )

    return train


def test_a_resumed_run_has_the_same_weights_and_validation_is_evaluate_on_tiles(
    train, scenes, tmp_path
):
    told, cancel = [], threading.Event()
    whole = train("whole", on_event=told.append)
    texts = [each.text for each in told if isinstance(each, Notice)]
    assert any("windows of 64 px in the first epoch, of 2 photos" in text for text in texts)

    def stop(event):
        if isinstance(event, StepDone) and event.step == 1:
            cancel.set()

    assert not train("part", on_event=stop, cancel=cancel).finished
    resumed = instseg.finetune(resume=tmp_path / "part")
    one, two = load_file(whole.best), load_file(resumed.best)
    assert one.keys() == two.keys()
    assert all(np.array_equal(values, two[name]) for name, values in one.items())
    assert resumed.history == whole.history

    card = read_model_card(whole.best)
    assert card.trained_tile == TILE
    notices = []
    scores = [
        instseg.evaluate(
            scenes,
            images=scenes.parent / "images",
            weights=whole.best,
            tile=tile,
            resamples=100,
            device="cpu",
            precision="fp32",
            on_event=notices.append,
        ).segm
        for tile in (TILE, None)
    ]
    expected = {name: whole.metrics["segm"][name] for name in METRICS}
    found = {name: scores[0].scores[name] for name in METRICS}
    assert found == pytest.approx(expected, abs=1e-12)
    texts = [each.text for each in notices if isinstance(each, Notice)]
    assert texts == [f"{whole.best}: was trained on tiles of 64 px; give tile 64 for larger photos"]
