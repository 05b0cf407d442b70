"""A small stand-in for the real COCO photos: drawn scenes in the same folders and layout.

Two dozen photos for each part, in all orientations, a few of them greyscale. Objects have polygons
of two decimals, in several parts where something hides their middle; crowds are plain runs. The
`golden` folder has annotations without photos, made-up results, and pycocotools' numbers for them.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask
from skimage.measure import find_contours

from instseg.core.classes import COCO_CATEGORY_IDS, COCO_CLASSES
from instseg.evaluation.referee import referee_scores
from instseg.scenes.scene import CATEGORY_IDS, SCENE_CLASSES, Scene, SceneConfig, draw_scene

SIZES_HW = ((240, 320), (320, 240), (256, 256), (180, 360), (213, 320), (320, 213), (300, 400))
CROWDED = range(1, 24, 6)  # photos with a crowd, of each part
GREYSCALE = (4, 13)
PHOTOS = 24
GOLDEN_PHOTOS = 60

CLASSES = (*SCENE_CLASSES, "person", "person", "person")  # the most frequent class, as in COCO
# drawings labelled as classes that the tests' small networks know
RELABELLED = {9: 17, 13: 18, 38: 62}  # boat: cat, stop sign: dog, kite: chair

Record = dict[str, Any]


def write_coco_like(folder: Path) -> Path:
    """`train2017`, `val2017`, `annotations` and `golden`, as the developers' folder has them."""
    for seed, part in enumerate(("train2017", "val2017"), start=1):
        document = drawn_document(seed, PHOTOS, folder / part)
        write_json(folder / "annotations" / f"instances_{part}.json", document)
    golden = drawn_document(3, GOLDEN_PHOTOS)
    write_json(folder / "golden" / "instances_val2014_100.json", golden)
    expected = {}
    for kind in ("segm", "bbox"):
        results = made_up_results(golden, kind, np.random.default_rng(0))
        name = f"instances_val2014_fake{kind}100_results.json"
        write_json(folder / "golden" / name, results)
        stats = list(referee_scores(golden, results, kind).values())
        expected[kind] = {"results": name, "stats": stats}
    write_json(folder / "golden" / "expected_pycocotools.json", expected)
    return folder


def write_json(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def drawn_document(seed: int, count: int, photos: Path | None = None) -> Record:
    """COCO annotations of `count` drawn scenes; the photos go to a folder, if one is given."""
    images: list[Record] = []
    annotations: list[Record] = []
    for index in range(count):
        crowded = index in CROWDED
        objects = (12, 16) if crowded else (3, 9)
        size_hw = SIZES_HW[index % len(SIZES_HW)]
        object_px = (12, 0.3 * min(size_hw) if crowded else 0.8 * min(size_hw))
        options = {"classes": CLASSES, "objects": objects, "object_px": object_px}
        scene = draw_scene(index, SceneConfig(seed=seed, size_hw=size_hw, **options))
        image_id = int(np.random.default_rng([seed, index]).integers(1, 6000)) * 100 + index
        file_name = f"{image_id:012d}.jpg"
        images.append(
            {
                "license": 1,
                "file_name": file_name,
                "height": size_hw[0],
                "width": size_hw[1],
                "date_captured": "2013-11-14 17:02:52",
                "id": image_id,
            }
        )
        if photos:
            photos.mkdir(parents=True, exist_ok=True)
            photo = Image.fromarray(scene.image)
            photo = photo.convert("L") if index in GREYSCALE else photo
            photo.save(photos / file_name, quality=95)
        for record in scene_annotations(scene, crowded):
            number = 1000 * seed + len(annotations) + 1
            annotations.append({**record, "image_id": image_id, "id": number})
    return {
        "info": {"description": "Drawn scenes in COCO's layout", "year": 2017},
        "licenses": [{"id": 1, "name": "Apache License 2.0", "url": ""}],
        "images": images,
        "annotations": annotations,
        "categories": [
            {"supercategory": "thing", "id": number, "name": name}
            for number, name in zip(COCO_CATEGORY_IDS[1:], COCO_CLASSES[1:], strict=True)
        ],
    }


def scene_annotations(scene: Scene, crowded: bool) -> list[Record]:
    """Polygons of the objects; if asked for, those of the most frequent class as one crowd."""
    instances = scene.instances
    category_ids = [CATEGORY_IDS[i] for i in instances.class_ids]
    category_ids = [RELABELLED.get(number, number) for number in category_ids]
    (common, _), *_ = Counter(category_ids).most_common()
    records, crowd = [], np.zeros(instances.size_hw, dtype=bool)
    for category_id, mask in zip(category_ids, instances.masks.dense(), strict=True):
        if crowded and category_id == common:
            crowd |= mask
            continue
        parts = polygons(mask)
        if not parts:
            continue
        rle = coco_mask.merge(coco_mask.frPyObjects(parts, *instances.size_hw))
        corners = np.concatenate([np.reshape(part, (-1, 2)) for part in parts])
        low, high = corners.min(axis=0), corners.max(axis=0)
        records.append(
            {
                "segmentation": parts,
                "area": float(coco_mask.area(rle)),
                "iscrowd": 0,
                "bbox": [round(float(v), 2) for v in (*low, *(high - low))],
                "category_id": category_id,
            }
        )
    if crowd.any():
        rle = coco_mask.encode(np.asfortranarray(crowd, dtype=np.uint8))
        records.append(
            {
                "segmentation": {"counts": runs(crowd), "size": list(instances.size_hw)},
                "area": int(coco_mask.area(rle)),
                "iscrowd": 1,
                "bbox": coco_mask.toBbox(rle).tolist(),
                "category_id": common,
            }
        )
    return records


def polygons(mask: np.ndarray) -> list[list[float]]:
    """The outlines of a mask's parts, holes filled, as COCO's annotators would have drawn them."""
    parts = []
    for contour in find_contours(np.pad(mask, 1).astype(float), 0.5):
        corners = np.round(contour[:-1, ::-1] - 0.5, 2)  # x, y; pixel centres lie at halves
        signed = np.sum(corners[:, 0] * np.roll(corners[:, 1], -1))
        signed -= np.sum(corners[:, 1] * np.roll(corners[:, 0], -1))
        if len(corners) >= 4 and signed / 2 > 4:  # holes run the other way round
            parts.append(corners.ravel().tolist())
    return parts


def runs(mask: np.ndarray) -> list[int]:
    """Lengths of runs of zeros and ones in turn, column by column, from zeros on."""
    flat = mask.ravel(order="F").astype(np.int8)
    ends = np.flatnonzero(np.diff(flat, prepend=0, append=-1))
    return np.diff(ends, prepend=0).tolist()


def made_up_results(truth: Record, kind: str, rng: np.random.Generator) -> list[Record]:
    """Most objects found, some of them badly, some twice or of another class, and a few of none."""
    sizes_hw = {image["id"]: (image["height"], image["width"]) for image in truth["images"]}
    category_ids = sorted({a["category_id"] for a in truth["annotations"]})
    results = []
    for annotation in truth["annotations"]:
        size_hw = sizes_hw[annotation["image_id"]]
        for _ in range(rng.choice([0, 1, 2], p=[0.2, 0.7, 0.1])):
            wrong_class, elsewhere = rng.random(2) < 0.1
            shift = rng.normal(0, 30 if elsewhere else 2, 2)
            score = rng.beta(2, 3) if wrong_class or elsewhere else rng.beta(4, 2)
            result = {
                "image_id": annotation["image_id"],
                "category_id": annotation["category_id"],
                "score": round(float(score), 3),
            }
            if wrong_class:
                result["category_id"] = int(rng.choice(category_ids))
            box = np.add(annotation["bbox"], [*shift, *rng.normal(0, 1, 2)])
            if kind == "bbox":
                result["bbox"] = [round(float(v), 2) for v in (*box[:2], *box[2:].clip(min=1))]
            else:
                result["segmentation"] = moved(annotation["segmentation"], shift, size_hw)
            results.append(result)
    return results


def moved(segmentation: Any, shift_xy: np.ndarray, size_hw: tuple[int, int]) -> Record:
    """A segmentation somewhere else in its image, as compressed RLE."""
    rle = coco_mask.frPyObjects(segmentation, *size_hw)
    rle = rle if isinstance(segmentation, dict) else coco_mask.merge(rle)
    mask = np.roll(coco_mask.decode(rle), np.round(shift_xy[::-1]).astype(int), axis=(0, 1))
    rle = coco_mask.encode(np.asfortranarray(mask))
    return {"size": list(size_hw), "counts": rle["counts"].decode()}
