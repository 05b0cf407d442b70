"""Boundary AP, held to the definition by code of its own.

Cheng et al., "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation" (CVPR 2021):
the boundary of a mask is what lies within d pixels of its contour, d being 2% of the image's
diagonal; a pair of masks scores the smaller of mask IoU and boundary IoU.
"""

import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO as RefereeCOCO
from pycocotools.cocoeval import COCOeval as RefereeEval
from scipy import ndimage

from instseg.core.masks import Masks
from instseg.core.rle import to_rle
from instseg.evaluation.coco_ap import METRICS, measure_ap
from instseg.evaluation.shapes import boundary_of


def boundary(mask):
    """Pixels of the mask at most d from what is not mask; the image's border is an edge."""
    d = max(1, round(0.02 * float(np.hypot(*mask.shape))))
    inside = ndimage.distance_transform_cdt(np.pad(mask, 1), "chessboard")[1:-1, 1:-1]
    return mask & (inside <= d)


def encoded(mask):
    return coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))


def decoded(rle):
    return Masks.from_rle([rle]).dense(0)


def drawn(height, width, *rectangles, holes=()):
    """Rectangles as (top, left, bottom, right), and what is cut out of them."""
    mask = np.zeros((height, width), dtype=bool)
    for value, parts in ((True, rectangles), (False, holes)):
        for top, left, bottom, right in parts:
            mask[top:bottom, left:right] = value
    return mask


SHAPES = {
    "in the middle": drawn(120, 160, (40, 50, 80, 110)),
    "whole image": drawn(120, 160, (0, 0, 120, 160)),
    "corner": drawn(120, 160, (70, 100, 120, 160)),
    "left and top": drawn(120, 160, (0, 0, 60, 80)),
    "column from top to bottom": drawn(120, 160, (0, 50, 120, 90)),
    "row from side to side": drawn(120, 160, (50, 0, 90, 160)),
    "donut": drawn(120, 160, (20, 20, 100, 140), holes=[(50, 60, 70, 90)]),
    "two parts that nearly touch": drawn(120, 160, (10, 10, 60, 60), (10, 61, 60, 110)),
    "pinhole": drawn(120, 160, (10, 10, 110, 150), holes=[(60, 80, 61, 81)]),
    "one pixel": drawn(120, 160, (119, 159, 120, 160)),
    "thinner than the boundary": drawn(120, 160, (60, 10, 63, 150)),
    "nothing": drawn(120, 160),
    "small image": drawn(10, 12, (2, 2, 9, 12)),
    "tall image": drawn(700, 20, (50, 0, 650, 20)),
    "wide image": drawn(20, 400, (0, 50, 20, 350)),
    "2.5 rounds to 2": drawn(75, 100, (10, 10, 65, 90)),
    "3.5 rounds to 4": drawn(105, 140, (10, 10, 95, 130)),
    "very wide image": drawn(8, 400, (0, 50, 8, 350)),
}


@pytest.mark.parametrize("mask", SHAPES.values(), ids=SHAPES.keys())
def test_boundaries_of_drawn_shapes(mask):
    assert np.array_equal(decoded(boundary_of(encoded(mask))), boundary(mask))


def test_boundaries_of_blobs():
    rng = np.random.default_rng(0)
    for _ in range(60):
        size = rng.integers(20, 150, size=2)
        mask = ndimage.gaussian_filter(rng.random(size), 3) > 0.5
        assert np.array_equal(decoded(boundary_of(encoded(mask))), boundary(mask))


@pytest.fixture(scope="module")
def real(coco_dir):
    """A dozen photos with all their annotations, crowds among them, masks as RLE."""
    document = json.loads((coco_dir / "annotations" / "instances_val2017.json").read_text())
    crowded = [a["image_id"] for a in document["annotations"] if a["iscrowd"]]
    others = [i["id"] for i in document["images"] if i["id"] not in crowded]
    chosen = [*dict.fromkeys(crowded)][:3] + others[:9]
    images = {i["id"]: i for i in document["images"] if i["id"] in chosen}
    annotations = [dict(a) for a in document["annotations"] if a["image_id"] in images]
    for a in annotations:
        image = images[a["image_id"]]
        rle = to_rle(a["segmentation"], (image["height"], image["width"]))
        a["segmentation"] = {"size": rle["size"], "counts": rle["counts"].decode()}
    assert any(a["iscrowd"] for a in annotations)
    assert len(annotations) > 50
    return {
        "images": list(images.values()),
        "annotations": annotations,
        "categories": document["categories"],
    }


@pytest.fixture(scope="module")
def results(real):
    """Each real mask moved, and grown or shrunk a little."""
    rng = np.random.default_rng(0)
    found = []
    for a in real["annotations"]:
        mask = decoded(a["segmentation"])
        mask = np.roll(mask, rng.integers(-2, 3, size=2), axis=(0, 1))
        change = rng.choice([ndimage.binary_dilation, ndimage.binary_erosion])
        rle = encoded(change(mask, iterations=int(rng.integers(1, 4))))
        rle["counts"] = rle["counts"].decode()
        place = {key: a[key] for key in ("image_id", "category_id")}
        found.append({**place, "segmentation": rle, "score": float(rng.random())})
    return found


def test_boundaries_of_real_annotations(real):
    for a in real["annotations"]:
        got = decoded(boundary_of(a["segmentation"]))
        assert np.array_equal(got, boundary(decoded(a["segmentation"]))), a["id"]


class ByDefinition(RefereeEval):
    """Pycocotools, with the smaller of mask IoU and boundary IoU; a crowd has no boundary."""

    def computeIoU(self, image_id, category_id):
        ious = super().computeIoU(image_id, category_id)
        if not len(ious):
            return ious
        objects = self._gts[image_id, category_id]
        found = sorted(self._dts[image_id, category_id], key=lambda d: -d["score"])
        for row, d in zip(ious, found, strict=True):
            edge = boundary(decoded(d["segmentation"]))
            for column, o in enumerate(objects):
                other = boundary(decoded(o["segmentation"]))
                if not o["iscrowd"]:
                    union = np.count_nonzero(edge | other)
                    row[column] = min(row[column], np.count_nonzero(edge & other) / max(union, 1))
        return ious


@pytest.fixture(scope="module")
def expected(real, results):
    """The twelve numbers by definition."""
    ground = RefereeCOCO()
    ground.dataset = {"info": {}, **real, "annotations": [dict(a) for a in real["annotations"]]}
    with contextlib.redirect_stdout(io.StringIO()):
        ground.createIndex()
        found = ground.loadRes([dict(r) for r in results])
        referee = ByDefinition(ground, found, "segm")
        referee.evaluate()
        referee.accumulate()
        referee.summarize()
    return referee.stats


def test_boundary_ap_is_that_of_the_definition(real, results, expected):
    scores = measure_ap(real, results, "boundary").scores
    assert [scores[name] for name in METRICS] == pytest.approx(expected, abs=1e-9)
    # it is another number than mask AP
    assert 0.1 < scores["AP"] < measure_ap(real, results, "segm").scores["AP"] - 0.05
