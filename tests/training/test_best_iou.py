"""The best weights of a semantic network."""

import threading

import numpy as np
from PIL import Image

from instseg.core.events import ignore
from instseg.data.mask_folders import MaskData
from instseg.data.semantic_data import Subset, statistics
from instseg.training.run import Run
from instseg.training.train_unet import best_of, make_trainer
from instseg.training.unet_options import TrainUnetOptions


def write_folders(folder, count=10):
    """Noise, half of which is of class 1."""
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for i in range(count):
        photo = rng.integers(0, 255, (32, 40, 3)).astype(np.uint8)
        Image.fromarray(photo).save(folder / "images" / f"{i}.jpg")
        mask = np.zeros((32, 40), dtype=np.uint8)
        mask[:, 20:] = 1
        Image.fromarray(mask).save(folder / "masks" / f"{i}.png")


def test_validation_images_are_read_once_and_ignored_ones_have_no_loss(tmp_path):
    class Counted(Subset):
        def load(self, index):
            loaded.append(index)
            return super().load(index)

    loaded, losses = [], []
    write_folders(tmp_path, 10)
    Image.fromarray(np.full((32, 40), 255, dtype=np.uint8)).save(tmp_path / "masks" / "9.png")
    data = MaskData.read(tmp_path / "images", tmp_path / "masks")
    options = TrainUnetOptions(
        out=tmp_path, workers=0, device="cpu", precision="fp32", epochs=1, max_steps=2
    )
    run = Run(
        verb="train_unet",
        given={},
        folder=tmp_path,
        resumed=False,
        device="cpu",
        on_event=ignore,
        cancel=threading.Event(),
    )
    found = statistics(data)
    trainer, task, model = make_trainer(options, data, found, run)
    for count in (9, 10):  # without the one that is ignored, and with it
        val = Counted(data=data, rows=tuple(range(count)))
        best = best_of(options, trainer, task, model, data, val, found)
        losses.append(best.measure(model, val, ignore).figures["val_loss"])
    assert losses[0] == losses[1] > 0
    assert len(loaded) == 9 + 10 + 2 * 6  # once, and again for worst.png
