"""Photos in, instances out.

The names below are imported when they are first used, so that `import instseg` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from instseg.cluster.predict_shards import predict_shards
    from instseg.comparison.compare import compare
    from instseg.core.errors import InputError
    from instseg.core.instances import Instances, Masks
    from instseg.core.semantic import to_semantic
    from instseg.data.coco import CocoData
    from instseg.data.examine import examine
    from instseg.doctor.repair import repair
    from instseg.evaluation.evaluate import evaluate
    from instseg.exporting.export import export
    from instseg.files.geojson import write_geojson
    from instseg.files.image import read_image
    from instseg.files.image_writing import write_image
    from instseg.files.shards import Shards
    from instseg.files.video import Video
    from instseg.files.windows import TiffWindows
    from instseg.formats.convert import convert
    from instseg.formats.merge import merge
    from instseg.formats.split import split
    from instseg.models.load import load_model
    from instseg.predict.predictor import Predictor
    from instseg.predict.segmenter import Segmenter
    from instseg.scenes.make_scenes import make_scenes
    from instseg.selecting.select import select
    from instseg.serving.app import make_app
    from instseg.serving.server import serve
    from instseg.training.finetune import finetune
    from instseg.training.train_unet import train_unet
    from instseg.video.predict_video import predict_video
    from instseg.visualize import display_instances, draw_instances

__version__ = "0.1.0"

__all__ = [
    "CocoData",
    "InputError",
    "Instances",
    "Masks",
    "Predictor",
    "Segmenter",
    "Shards",
    "TiffWindows",
    "Video",
    "compare",
    "convert",
    "display_instances",
    "draw_instances",
    "evaluate",
    "examine",
    "export",
    "finetune",
    "load_model",
    "make_app",
    "make_scenes",
    "merge",
    "predict_shards",
    "predict_video",
    "read_image",
    "repair",
    "select",
    "serve",
    "split",
    "to_semantic",
    "train_unet",
    "write_geojson",
    "write_image",
]

_HOME = {
    "CocoData": "instseg.data.coco",
    "InputError": "instseg.core.errors",
    "Instances": "instseg.core.instances",
    "Masks": "instseg.core.instances",
    "Predictor": "instseg.predict.predictor",
    "Segmenter": "instseg.predict.segmenter",
    "Shards": "instseg.files.shards",
    "TiffWindows": "instseg.files.windows",
    "Video": "instseg.files.video",
    "compare": "instseg.comparison.compare",
    "convert": "instseg.formats.convert",
    "display_instances": "instseg.visualize",
    "draw_instances": "instseg.visualize",
    "evaluate": "instseg.evaluation.evaluate",
    "examine": "instseg.data.examine",
    "export": "instseg.exporting.export",
    "finetune": "instseg.training.finetune",
    "load_model": "instseg.models.load",
    "make_app": "instseg.serving.app",
    "make_scenes": "instseg.scenes.make_scenes",
    "merge": "instseg.formats.merge",
    "predict_shards": "instseg.cluster.predict_shards",
    "predict_video": "instseg.video.predict_video",
    "read_image": "instseg.files.image",
    "repair": "instseg.doctor.repair",
    "select": "instseg.selecting.select",
    "serve": "instseg.serving.server",
    "split": "instseg.formats.split",
    "to_semantic": "instseg.core.semantic",
    "train_unet": "instseg.training.train_unet",
    "write_geojson": "instseg.files.geojson",
    "write_image": "instseg.files.image_writing",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'instseg' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
