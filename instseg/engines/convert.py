"""Conversions of models for other engines, each made once and kept in a file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from instseg import __version__
from instseg.core.errors import InputError
from instseg.core.events import Notice, OnEvent
from instseg.engines.runtimes import require_packages, to_openvino, write_onnx, write_openvino
from instseg.files.exported_file import KINDS, ExportedFile, read_exported
from instseg.models.mask_rcnn import Model
from instseg.models.segmenters import SegmenterModel
from instseg.system.atomic import make_folder

REVISION = 2  # of the graphs; another number makes older conversions be made again
THRESHOLD, MAX_DETECTIONS = 0.5, 100  # of the files; the engines are given others
SUFFIX = {"onnxruntime": ".onnx", "openvino": ".xml"}


def converted(
    model: Model | SegmenterModel,
    name: str,
    beside: Path | None,
    engine: str,
    *,
    scale: float,
    calibration: Sequence[NDArray[np.uint8]] | None,
    on_event: OnEvent,
) -> ExportedFile:
    """A model in a file for another engine: the one made earlier, or a new one.

    Args:
        model: The model.
        name: Beginning of the name of the file.
        beside: The weights file beside which it is kept, if that folder can be written to; else,
            and for None, the user's folder for caches.
        engine: `onnxruntime` or `openvino`.
        scale: Scale of the input size of a Mask R-CNN; 1 is that of the architecture.
        calibration: Photos to quantize it with, to int8; None for float32.
        on_event: Called before a new one is made, which takes minutes.

    Raises:
        InputError: Packages for the conversion are missing, or it cannot be written.
    """
    if isinstance(model, Model):
        model = _scaled(model, scale)
    key = _key(model, engine, calibration)
    file_name = f"{name.replace(':', '-')}.{key[:12]}{SUFFIX[engine]}"  # of `smp:` networks
    folders = [cache_folder()]
    if beside is not None and os.access(beside.parent, os.W_OK):
        folders.insert(0, beside.parent)
    for folder in folders:
        if found := _made_before(folder / file_name, key):
            return found
    path = folders[0] / file_name
    kind = KINDS[SUFFIX[engine]]
    require_packages(kind, to_run=True)
    make_folder(path.parent)
    on_event(Notice(text=f"{path}: converting for {engine}, once; this takes a few minutes"))
    _write(model, path, key, calibration)
    return read_exported(path)


def cache_folder() -> Path:
    """The folder in which this user's programs keep what they can make again."""
    otherwise = os.environ.get("LOCALAPPDATA") or "~/.cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or otherwise).expanduser() / "instseg"


def _made_before(path: Path, key: str) -> ExportedFile | None:
    if not path.is_file():
        return None
    try:
        found = read_exported(path)
    except InputError:  # cut off, for example
        return None
    return found if found.source == key else None


def _scaled(model: Model, scale: float) -> Model:
    sizes = {
        side: round(model.card.preprocessing[side] * scale) for side in ("min_size", "max_size")
    }
    card = replace(model.card, preprocessing={**model.card.preprocessing, **sizes})
    return Model(network=model.network, card=card)


def _key(
    model: Model | SegmenterModel, engine: str, calibration: Sequence[NDArray[np.uint8]] | None
) -> str:
    """What the conversion depends on, as a hash."""
    digest = hashlib.sha256()
    facts: list[Any] = [__version__, REVISION, engine, calibration is not None]
    card = replace(model.card, thresholds={}, provenance={})
    digest.update(json.dumps([*facts, card.to_json()]).encode())
    for name, tensor in sorted(model.network.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    for image in calibration or ():
        digest.update(str(image.shape).encode() + image.tobytes())
    return digest.hexdigest()


def _write(
    model: Model | SegmenterModel,
    path: Path,
    key: str,
    calibration: Sequence[NDArray[np.uint8]] | None,
) -> None:
    from instseg.engines.build import DetectorLimits, detector_graph, metadata, segmenter_graph

    limits, dtype = None, "fp32"
    if isinstance(model, Model):
        limits = DetectorLimits(
            score_thresholds=torch.full((len(model.card.class_names),), THRESHOLD),
            max_detections=MAX_DETECTIONS,
        )
        graph = detector_graph(model, limits)
    else:
        graph = segmenter_graph(model)
    if calibration is not None:
        from instseg.engines.quantize import quantized

        graph, dtype = quantized(graph, calibration), "int8"
    texts = {**metadata(model, dtype, limits), "source": key}
    if path.suffix == ".onnx":
        write_onnx(graph, texts, path)
    else:
        write_openvino(to_openvino(graph, halves=False), texts, path)
