"""The best weights of a run."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from instseg.core.events import EpochDone
from instseg.models.segmenters import fresh_segmenter
from instseg.training.best import BestWeights, Measured
from instseg.training.loop import Trainer
from instseg.training.recipe import Recipe


class Constant:
    """A task whose network is a given one, and which is never run."""

    def __init__(self, network):
        self.network = network

    def enter_stage(self, scope):
        pass

    def backbone_weights(self):
        return ()


class Nothing:
    """Four steps of nothing, in two epochs."""

    epochs = 2

    def batches(self, epoch):
        return [[0], [1]]


@dataclass(kw_only=True)
class Scripted(BestWeights):
    """Measures what it is told to."""

    scores: list

    def measure(self, model, val, on_event):
        score = self.scores.pop(0)
        return Measured(score=score, figures={"score": score}, metrics={"score": score})


def make_best(folder, scores=(), kind=Scripted, **options):
    model = fresh_segmenter("unet", ("BG", "pet"), (0, 1), widths=(4, 8))
    trainer = Trainer(Constant(model.network), Nothing(), Recipe(), torch.device("cpu"))
    val = object() if scores else None
    options = {"recipe": {"seed": 1}, "scores": list(scores), **options}
    return kind(trainer=trainer, task=trainer.task, model=model, val=val, folder=folder, **options)


def set_weights(best, value):
    with torch.no_grad():
        for weights in best.trainer.average.parameters():
            weights.fill_(value)


def stored(folder):
    """The value of all weights in the model file."""
    state = load_file(folder / "best.safetensors")
    values = {float(v) for name, w in state.items() if w.ndim > 1 for v in np.unique(w)}
    (value,) = values
    return value


def test_a_worse_later_epoch_leaves_the_best_weights_alone(tmp_path):
    best, told = make_best(tmp_path, [0.5, 0.3, 0.5, 0.4]), []
    found = []
    for epoch in range(1, 5):
        set_weights(best, epoch)
        assert not best.look_at(epoch, told.append)
        metrics = json.loads((tmp_path / "metrics.json").read_text())
        found.append((stored(tmp_path), metrics["score"]))
    # of two that are as good, the one that was trained longer
    assert found == [(1, 0.5), (1, 0.5), (3, 0.5), (3, 0.5)]
    assert [event.is_best for event in told] == [True, False, True, False]
    assert [event.figures["score"] for event in told] == [0.5, 0.3, 0.5, 0.4]
    assert best.metrics() == {"score": 0.5}


def test_patience_counts_from_the_first_best_epoch(tmp_path):
    best = make_best(tmp_path, [0.5, 0.6, 0.6, 0.1], patience=2)
    assert [best.look_at(epoch, lambda event: None) for epoch in range(1, 5)] == [
        *(False, False, False, True)
    ]


def test_a_plateau_is_told_of_every_epoch(tmp_path):
    best = make_best(tmp_path, [0.5, 0.5])
    best.trainer.plateau.patience = 1
    for epoch in (1, 2):
        best.look_at(epoch, lambda event: None)
    assert best.trainer.plateau.factor == pytest.approx(0.1)


def test_without_validation_data_the_last_weights_are_kept(tmp_path):
    best, told = make_best(tmp_path), []
    best.trainer.step = 2
    assert not best.look_at(1, told.append)
    assert not (tmp_path / "best.safetensors").exists()
    best.trainer.step = 4
    set_weights(best, 2)
    best.look_at(2, told.append)
    assert stored(tmp_path) == 2
    assert [(event.figures, event.is_best) for event in told] == [({}, False), ({}, True)]
    assert isinstance(told[0], EpochDone) and best.metrics() == {}


def test_what_is_measured_is_what_is_stored(tmp_path):
    """A value that half precision cannot hold is rounded before it is measured."""

    class Measuring(Scripted):
        def measure(self, model, val, on_event):
            seen.append(float(next(model.network.parameters()).flatten()[0]))
            return super().measure(model, val, on_event)

    seen = []
    best = make_best(tmp_path, [0.5], Measuring, weights_dtype="fp16")
    set_weights(best, 0.1)
    best.look_at(1, lambda event: None)
    assert seen == [float(np.float16(0.1))] == [stored(tmp_path)]
    assert next(best.trainer.average.parameters()).flatten()[0] == np.float32(0.1)


def test_the_best_score_is_in_the_checkpoint(tmp_path):
    best = make_best(tmp_path, [0.5])
    best.look_at(1, lambda event: None)
    best.trainer.save(tmp_path / "run.pt")
    other = make_best(tmp_path, [0.4])
    other.trainer.load(tmp_path / "run.pt")
    assert (other.best.score, other.best.epoch) == (0.5, 1)
