"""Measures what tiles add on large photos with small objects, on drawn scenes of 4,000 px.

    pip install sahi
    OMP_NUM_THREADS=1 python docs/tooling/tile_gain.py --out out/tile_gain

16 scenes to train on and 8 to measure on have 60 objects of 8 classes each, 20 to 200 px long. Two
runs go on from `demo` with equal numbers of steps and images a step, and the same input size of
the network: one on the photos, resized, and one on windows of them. Mask AP is measured in the
pixels of the photos; of both models without tiles and with them, and with SAHI's slices, which
call the same predictor. Its results are joined as it does by default for such low scores (NMS),
and as it does by default for others (GREEDYNMM).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import instseg
from instseg.core.instances import Instances, Masks
from instseg.files.results import coco_annotations
from instseg.scenes.scene import SCENE_CLASSES

TRAINED, MEASURED, OBJECTS = 16, 8, 60
SIZE_PX, TILE_PX, INPUT_PX = 4000, 1024, 512
LEAST_SCORE = 0.05
TRAINING: dict[str, Any] = {
    "weights": "demo",
    "min_size": INPUT_PX,
    "warmup_steps": 20,
    "ema_decay": 0.98,
    "workers": 0,
    "device": "cpu",
}
Predict = Callable[[Path], Instances]


def main() -> None:
    """Train both models and measure them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/tile_gain"))
    parser.add_argument("--max-steps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    train = drawn(given.out / "train", TRAINED, 500 + given.seed)
    test = drawn(given.out / "test", MEASURED, 600 + given.seed)
    small = resized(train, given.out / "resized")
    usual = {**TRAINING, "max_steps": given.max_steps, "seed": given.seed}
    models = {
        "resized": trained(small, out=given.out / "on_resized", **usual),
        "tiles": trained(train, out=given.out / "on_tiles", tile=TILE_PX, **usual),
    }
    for name, weights in models.items():
        whole, tiled = (
            instseg.Predictor(weights, device="cpu", score_threshold=LEAST_SCORE, tile=tile)
            for tile in (None, TILE_PX)
        )
        ways: dict[str, Predict] = {
            "resized": whole,
            "tiles": tiled,
            "SAHI, NMS": sliced(whole, "NMS", "IOU"),
            "SAHI, GREEDYNMM": sliced(whole, "GREEDYNMM", "IOS"),
        }
        for way, predict in ways.items():
            tell(f"trained on {name}, inference {way}: {measured(test, predict)}")


def drawn(folder: Path, images: int, seed: int) -> instseg.CocoData:
    """Large scenes with small objects."""
    if not (folder / "annotations.json").exists():
        instseg.make_scenes(
            out=folder,
            images=images,
            classes=SCENE_CLASSES[::2],
            seed=seed,
            size=SIZE_PX,
            object_size="20,200",
            least_objects=OBJECTS,
            most_objects=OBJECTS,
        )
    return instseg.CocoData.read(folder / "annotations.json", folder / "images")


def resized(data: instseg.CocoData, folder: Path) -> instseg.CocoData:
    """The photos at the size of a tile: the network's input is the same, reading them faster."""
    side, document = (TILE_PX, TILE_PX), {**data.document(), "annotations": []}
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for row, image in enumerate(document["images"]):
        photo, objects = data.load(row)
        small = Image.fromarray(photo).resize(side, Image.Resampling.BOX)
        small.save(folder / "images" / image["file_name"], quality=95)
        dense = [Image.fromarray(objects.masks.dense(i)).resize(side) for i in range(len(objects))]
        masks = Masks.from_dense(np.array([np.asarray(each) for each in dense]))
        found = made_of(data, masks, objects.class_ids, objects.scores)
        for record in coco_annotations(found[masks.areas() > 0], data.category_ids):
            del record["score"]
            number = len(document["annotations"]) + 1
            document["annotations"].append({"id": number, "image_id": image["id"], **record})
        image["width"] = image["height"] = TILE_PX
    path = folder / "annotations.json"
    path.write_text(json.dumps(document))
    return instseg.CocoData.read(path, folder / "images")


def trained(data: instseg.CocoData, *, out: Path, **options: Any) -> Path:
    """The model of a run."""
    best = out / "best.safetensors"
    if not best.exists():
        begin_s = time.process_time()
        instseg.finetune(data, out=out, **options)
        tell(f"{out.name}: trained in {(time.process_time() - begin_s) / 60:.1f} processor minutes")
    return best


def measured(test: instseg.CocoData, predict: Predict) -> str:
    """Mask AP, and the seconds that a photo takes on one core."""
    results, begin_s = [], time.process_time()
    for image in test.images:
        found = predict(test.folder / image.file_name)
        ids = [
            test.category_ids[test.class_names.index(name)] if name in test.class_names else 0
            for name in found.class_names
        ]
        records = coco_annotations(found, ids)
        results += [{"image_id": image.id, **each} for each in records]
    seconds = (time.process_time() - begin_s) / len(test)
    segm = instseg.evaluate(test, results=results, resamples=100).segm
    low, high = segm.interval()
    sizes = "/".join(f"{value:.3f}" for value in (segm.APs, segm.APm, segm.APl))
    return (
        f"mask AP {segm.AP:.3f} ({low:.3f} to {high:.3f}), small/medium/large {sizes}, "
        f"{seconds:.1f} s a photo"
    )


def sliced(predictor: instseg.Predictor, join: str, metric: str) -> Predict:
    """SAHI's slices with our predictor, and its joining of the results."""
    from sahi.models.base import DetectionModel
    from sahi.predict import get_sliced_prediction
    from sahi.prediction import ObjectPrediction
    from sahi.utils.cv import get_coco_segmentation_from_bool_mask

    names = predictor.class_names

    class Adapter(DetectionModel):  # type: ignore[misc]
        """What SAHI calls."""

        def set_model(self, model: Any, **_: Any) -> None:
            self.model = model

        def perform_inference(self, image: Any) -> None:
            self._original_predictions = self.model(image)

        def _create_object_prediction_list_from_original_predictions(
            self, shift_amount_list: Any = None, full_shape_list: Any = None
        ) -> None:
            found = self._original_predictions
            shift, shape = (
                each[0] if each and isinstance(each[0], list) else each
                for each in (shift_amount_list, full_shape_list)
            )
            outlines = [
                get_coco_segmentation_from_bool_mask(found.masks.dense(i))
                for i in range(len(found))
            ]
            self._object_prediction_list_per_image = [
                [
                    ObjectPrediction(
                        bbox=found.boxes[i].tolist(),
                        category_id=int(found.class_ids[i]),
                        category_name=names[found.class_ids[i]],
                        segmentation=outline,
                        score=float(found.scores[i]),
                        shift_amount=shift or [0, 0],
                        full_shape=shape or list(found.size_hw),
                    )
                    for i, outline in enumerate(outlines)
                    if outline
                ]
            ]

    adapter = Adapter(model=predictor, confidence_threshold=LEAST_SCORE, device="cpu")

    def predict(path: Path) -> Instances:
        done = get_sliced_prediction(
            instseg.read_image(path),
            adapter,
            slice_height=TILE_PX,
            slice_width=TILE_PX,
            postprocess_type=join,
            postprocess_match_metric=metric,
            force_postprocess_type=True,
            verbose=0,
        ).object_prediction_list
        done = sorted(done, key=lambda each: -each.score.value)[: predictor.choice.max_detections]
        empty = Masks.empty((SIZE_PX, SIZE_PX))
        masks = [Masks.from_dense(each.mask.bool_mask[None]) for each in done]
        return made_of(
            predictor,
            Masks.concatenate([empty, *masks]),
            np.array([each.category.id for each in done], dtype=np.int64),
            np.array([each.score.value for each in done], dtype=np.float32),
        )

    return predict


def made_of(named: Any, masks: Masks, class_ids: Any, scores: Any) -> Instances:
    """Instances with the boxes of their masks."""
    return Instances(
        boxes=masks.boxes_xyxy(),
        class_ids=class_ids,
        scores=scores,
        masks=masks,
        class_names=named.class_names,
    )


def tell(text: str) -> None:
    """Print at once, as a run takes long."""
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
