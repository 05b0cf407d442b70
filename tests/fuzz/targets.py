"""What is fuzzed: for each target, how a broken input is made and which command reads it."""

from __future__ import annotations

import io
import json
import random
import shutil
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from coco_documents import rle, sound, write_photos
from fuzz.mutations import broken_bytes, broken_json, rewritten
from PIL import Image

FORMATS = (
    *((".jpg", "JPEG"), (".png", "PNG"), (".tif", "TIFF"), (".gif", "GIF"), (".webp", "WEBP")),
    *((".bmp", "BMP"), (".tif", "TIFF"), (".png", "PNG")),
)


@dataclass(frozen=True)
class Case:
    """A command line, and after it has run what was lost.

    Attributes:
        arguments: Of `instseg`.
        lost: Called when the command has ended with 0 or 1; says what was lost, "" if nothing.
    """

    arguments: list[str]
    lost: Callable[[], str] = str


@dataclass(frozen=True)
class Seeds:
    """Sound inputs, made once, that cases are made of."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Seeds:
        """Write the photos, the dataset, results for it and a small model."""
        import torch

        from instseg.files.model_file import ModelCard
        from instseg.models.mask_rcnn import build_detector
        from instseg.models.registry import LARGE

        seeds = cls(folder)
        write_photos(seeds.photos)
        seeds.coco_json.write_text(json.dumps(sound()))
        seeds.results.write_text(json.dumps(results()))
        torch.manual_seed(0)
        sizes = {"num_classes": 3, "width": 8, "channels": 8, "mask_channels": 8}
        card = ModelCard(
            architecture="compact",
            architecture_args={**sizes, "head_channels": 16, "mask_head": [8]},
            class_names=("BG", "cup", "dog"),
            category_ids=(0, 3, 7),
            preprocessing={**LARGE, "min_size": 64, "max_size": 96},
            thresholds={},
            provenance={},
        )
        build_detector(card).save(seeds.weights)
        write_masks(seeds.masks)
        seeds._stop_a_run()
        return seeds

    def _stop_a_run(self) -> None:
        """Leave a run of train-unet that waits to be resumed."""
        import instseg
        from instseg.core.events import StepDone
        from instseg.models.segmenters import fresh_segmenter

        prepared = {"min_size": None, "max_size": None, "mean": [0.4], "std": [0.3]}
        names, ids = ("BG", "class 1", "class 2"), (0, 1, 2)
        model = fresh_segmenter("unet", names, ids, preprocessing=prepared, widths=(4, 8))
        model.save(self.folder / "unet.safetensors")
        cancel = threading.Event()
        instseg.train_unet(
            images=self.photos,
            masks=self.masks,
            weights=self.folder / "unet.safetensors",
            out=self.stopped,
            epochs=2,
            batch_size=3,
            workers=0,
            cancel=cancel,
            on_event=lambda event: cancel.set() if isinstance(event, StepDone) else None,
        )

    @property
    def photos(self) -> Path:
        """Folder of the photos."""
        return self.folder / "photos"

    @property
    def coco_json(self) -> Path:
        """The dataset."""
        return self.folder / "sound.json"

    @property
    def masks(self) -> Path:
        """Folder of label maps of the photos."""
        return self.folder / "masks"

    @property
    def stopped(self) -> Path:
        """Folder of a training run that was stopped after its first step."""
        return self.folder / "stopped"

    @property
    def results(self) -> Path:
        """Results for the dataset."""
        return self.folder / "results.json"

    @property
    def weights(self) -> Path:
        """A model of 3 classes that takes milliseconds."""
        return self.folder / "tiny.safetensors"


def write_masks(folder: Path) -> None:
    """A label map of three values for each of the dataset's photos."""
    folder.mkdir()
    values = np.zeros((60, 80), dtype=np.uint8)
    values[10:40, 10:50], values[30:, 60:] = 1, 2
    for name in (image["file_name"] for image in sound()["images"]):
        Image.fromarray(values).save(folder / name)


def results() -> list[dict[str, Any]]:
    """The objects of the dataset, as if they had been found."""
    found = []
    for each in sound()["annotations"]:
        record = {key: each[key] for key in ("image_id", "category_id", "bbox", "segmentation")}
        if isinstance(record["segmentation"], list):
            x, y, width, height = map(int, record["bbox"])
            mask = np.zeros((60, 80), dtype=bool)
            mask[y : y + height, x : x + width] = True
            record["segmentation"] = rle(mask)
        found.append(record | {"score": 0.5 + 0.01 * len(found)})
    return found


def photo(seeds: Seeds, chance: random.Random, folder: Path) -> Case:
    """A photo of any kind of file, broken."""
    suffix, content = encoded_photo(chance)
    path = folder / f"photo{chance.choice((suffix, suffix, '.jpg', '.png', ''))}"
    path.write_bytes(broken_bytes(content, chance))
    options = ["--csv", "--semantic-map", "--crops", "--score-threshold", "0.1"]
    return Case(["infer", str(path), "--weights", str(seeds.weights), *options, *out(folder)])


def encoded_photo(chance: random.Random) -> tuple[str, bytes]:
    """A small picture in a random format and mode, before it is broken."""
    suffix, kind = chance.choice(FORMATS)
    modes = {"JPEG": "RGB L CMYK", "PNG": "RGB L LA RGBA P I;16 1", "TIFF": "RGB L F I;16 RGBA"}
    mode = chance.choice(modes.get(kind, "RGB L").split())
    size = chance.choice(((80, 60), (1, 1), (200, 3), (33, 17)))
    values = np.random.default_rng(chance.randrange(2**32)).integers(0, 255, (*size[::-1], 3))
    picture = Image.fromarray(values.astype(np.uint8))
    if mode == "I;16":
        picture = Image.fromarray(values[..., 0].astype(np.uint16) * 256)
    elif mode != "RGB":
        picture = picture.convert("RGB" if mode == "CMYK" and kind != "JPEG" else mode)
    buffer = io.BytesIO()
    choices: dict[str, Any] = {}
    if kind == "TIFF":
        choices["compression"] = chance.choice(
            (None, "tiff_lzw", "tiff_deflate", "packbits", "tiff_adobe_deflate")
        )
    if kind in ("TIFF", "JPEG", "PNG") and chance.random() < 0.3:
        exif = Image.Exif()
        exif[0x0112] = chance.randrange(1, 9) if kind == "TIFF" else chance.randrange(10)
        choices["exif"] = exif
    picture.save(buffer, kind, **choices)
    return suffix, buffer.getvalue()


def dataset(seeds: Seeds, chance: random.Random, folder: Path) -> Case:
    """A COCO dataset, broken in its values or its bytes; the doctor repairs it."""
    path = folder / "broken.json"
    path.write_bytes(json_bytes(sound(), chance))
    fix = ["--fix", str(folder / "fixed.json")]
    return Case(["doctor", *coco(path, seeds), *fix, *out(folder)])


def rewritten_dataset(seeds: Seeds, chance: random.Random, folder: Path) -> Case:
    """The same dataset as other tools write it: the repaired copy holds every object."""
    path, fixed = folder / "rewritten.json", folder / "fixed.json"
    document = rewritten(sound(), chance)
    path.write_text(json.dumps(document))

    def lost() -> str:
        if not fixed.exists():
            return "the repaired dataset was not written"
        after = json.loads(fixed.read_text())
        counts = {name: (len(document[name]), len(after[name])) for name in document}
        return ", ".join(f"{a - b} {name}" for name, (a, b) in counts.items() if a != b)

    return Case(["doctor", *coco(path, seeds), "--fix", str(fixed), *out(folder)], lost)


def truth(seeds: Seeds, chance: random.Random, folder: Path) -> Case:
    """Broken ground truth, measured."""
    path = folder / "truth.json"
    path.write_bytes(json_bytes(sound(), chance))
    return Case(evaluate(path, seeds.results, folder))


def result_list(seeds: Seeds, chance: random.Random, folder: Path) -> Case:
    """Broken results, measured."""
    path = folder / "results.json"
    path.write_bytes(json_bytes(results(), chance))
    return Case(evaluate(seeds.coco_json, path, folder))


def model_file(seeds: Seeds, chance: random.Random, folder: Path) -> Case:
    """A model file with a broken header, broken tensors or broken bytes."""
    content = seeds.weights.read_bytes()
    path = folder / chance.choice(("model.safetensors", "model.safetensors", "model.pth"))
    if chance.random() < 0.3:
        path.write_bytes(broken_bytes(content, chance))
    else:
        length = struct.unpack("<Q", content[:8])[0]
        header = json.loads(content[8 : 8 + length])
        key, text = chance.choice(list(header["__metadata__"].items()))
        try:
            header["__metadata__"][key] = json.dumps(broken_json(json.loads(text), chance))
        except ValueError:
            header["__metadata__"][key] = str(broken_json([text], chance))
        new = json.dumps(header).encode("utf-8", "surrogatepass")
        path.write_bytes(struct.pack("<Q", len(new)) + new + content[8 + length :])
    if chance.random() < 0.5:
        return Case(["info", str(path)])
    photo_path = str(seeds.photos / "10.png")
    return Case(["infer", photo_path, "--weights", str(path), *out(folder)])


def mask_folder(seeds: Seeds, chance: random.Random, folder: Path) -> Case:
    """Label maps of which one is broken, of another kind or size; two steps of training."""
    masks = folder / "masks"
    shutil.copytree(seeds.masks, masks)
    path = chance.choice(sorted(masks.iterdir()))
    content = path.read_bytes()
    match chance.randrange(5):
        case 0:
            path.unlink()
            path = path.with_name(chance.choice(("x.png", "10_mask.png", f"{path.stem}.gif")))
        case 1:
            suffix, content = encoded_photo(chance)
            path.unlink()
            path = path.with_suffix(suffix)
        case 2:
            path.unlink()
            path = path.with_suffix(".npy")
            buffer = io.BytesIO()
            kind = chance.choice(("u1", "i8", "f4", "f8", "?", "c8", "U3"))
            np.save(buffer, np.zeros(chance.choice(((60, 80), (60, 80, 1), (0,), (1, 1))), kind))
            content = buffer.getvalue()
        case _:
            pass
    path.write_bytes(content if chance.random() < 0.3 else broken_bytes(content, chance))
    unet = ["--weights", str(seeds.folder / "unet.safetensors")] if chance.random() < 0.5 else []
    options = ["--max-steps", "2", "--workers", "0", "--batch-size", "2", "--device", "cpu"]
    return Case(
        ["train-unet", "--images", str(seeds.photos), "--masks", str(masks), *unet, *options]
        + (["--values", "0=BG,1=a,2=b"] if chance.random() < 0.3 else [])
        + out(folder)
    )


def resumed(seeds: Seeds, chance: random.Random, folder: Path) -> Case:
    """A stopped training run whose checkpoint, options or logs are broken."""
    run = folder / "run"
    shutil.copytree(seeds.stopped, run)
    path = run / chance.choice(("options.json", "options.json", "checkpoint.pt", "log.csv"))
    if path.suffix == ".json" and chance.random() < 0.8:
        path.write_bytes(json_bytes(json.loads(path.read_bytes()), chance))
    elif path.exists():
        path.write_bytes(broken_bytes(path.read_bytes(), chance))
    return Case(["train-unet", "--resume", str(run)])


def config(seeds: Seeds, chance: random.Random, folder: Path) -> Case:
    """A config file with broken options, for a command that would otherwise run quickly."""
    options: dict[str, Any] = {
        "weights": str(seeds.weights),
        "score_threshold": 0.5,
        "classes": ["cup"],
        "max_detections": 5,
        "flip": True,
        "csv": True,
        "inputs": [str(seeds.photos / "10.png")],
    }
    path = folder / "config.yaml"
    text = yaml.safe_dump(broken_json(options, chance), allow_unicode=True)
    content = text.encode("utf-8", "surrogatepass")
    path.write_bytes(broken_bytes(content, chance) if chance.random() < 0.3 else content)
    return Case(["infer", "--config", str(path), *out(folder)])


def ids_of_photos(seeds: Seeds, chance: random.Random, folder: Path) -> Case:
    """A broken dataset that `infer` takes image ids of."""
    path = folder / "ids.json"
    path.write_bytes(json_bytes(sound(), chance))
    options = ["--coco-json", str(path), "--weights", str(seeds.weights)]
    return Case(["infer", str(seeds.photos), *options, "--no-overlay", *out(folder)])


def json_bytes(value: Any, chance: random.Random) -> bytes:
    """Broken JSON: three times of four in its values, else in its bytes or its encoding."""
    if chance.random() < 0.75:
        return json.dumps(broken_json(value, chance)).encode("utf-8", "surrogatepass")
    text = json.dumps(value)
    encoding = chance.choice(("utf-8", "utf-8", "utf-8", "utf-16", "utf-8-sig"))
    return broken_bytes(text.encode(encoding), chance)


def coco(path: Path, seeds: Seeds) -> list[str]:
    """The options that name a dataset."""
    return ["--coco-json", str(path), "--images", str(seeds.photos)]


def evaluate(truth_path: Path, results_path: Path, folder: Path) -> list[str]:
    """The command that measures results."""
    names = ["--coco-json", str(truth_path), "--results", str(results_path)]
    return ["evaluate", *names, "--no-plots", "--resamples", "100", *out(folder)]


def out(folder: Path) -> list[str]:
    """The option that names the output folder."""
    return ["--out", str(folder / "out")]


TARGETS: dict[str, Callable[[Seeds, random.Random, Path], Case]] = {
    "photo": photo,
    "dataset": dataset,
    "rewritten": rewritten_dataset,
    "truth": truth,
    "results": result_list,
    "model": model_file,
    "masks": mask_folder,
    "resumed": resumed,
    "config": config,
    "ids": ids_of_photos,
}
