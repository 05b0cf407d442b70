"""The error taxonomy: hand-made cases, and equality with tidecv 1.0.1."""

import json
import random
from pathlib import Path

import pytest

from instseg.evaluation.error_taxonomy import ERRORS, error_taxonomy
from instseg.evaluation.overlaps import find_overlaps

COSTS = (*ERRORS, "false_positives", "false_negatives")
SEEDS = range(30)
BY_TIDECV = Path(__file__).with_name("by_tidecv.json")  # what tidecv 1.0.1 gives for drawn boxes
GOLDEN = {  # what tidecv 1.0.1 gives, in percentage points; costs and counts in the order of COSTS
    "bbox": {
        "ap50": 64.20498881733425,
        "costs": [
            22.2460397441685,
            0.22789102370710168,
            0,
            0.018972971237033676,
            0,
            8.523573787723365,
            6.821587524510463,
            17.684978535217184,
        ],
        "counts": [83, 1, 0, 1, 0, 97],
    },
    "segm": {
        "ap50": 51.80081155512982,
        "costs": [
            16.186000852974452,
            11.600722789458686,
            1.0128509521506288,
            0,
            0.2681107488310275,
            7.778639338018046,
            8.660366141587232,
            23.74583810883663,
        ],
        "counts": [76, 82, 7, 0, 4, 109],
    },
}

FIRST, SECOND, FAR = [0, 0, 10, 10], [50, 0, 10, 10], [200, 200, 10, 10]
LOOSE = [0, 0, 10, 30]  # IoU 1/3 with FIRST
HALF = 51 / 101  # AP when half the objects are found, with nothing wrong before them


def truth(*objects):
    """Objects as (category, box), crowds as (category, box, 1)."""
    return {
        "images": [{"id": 1, "height": 300, "width": 300}],
        "annotations": [
            {"image_id": 1, "category_id": category, "bbox": box, "iscrowd": sum(crowd)}
            for category, box, *crowd in objects
        ],
        "categories": [{"id": 3, "name": "fork"}, {"id": 7, "name": "cup"}],
    }


def taxonomy(document, *results):
    """Results as (category, box, score)."""
    records = [
        {"image_id": 1, "category_id": category, "bbox": box, "score": score}
        for category, box, score in results
    ]
    return error_taxonomy(find_overlaps(document, records, "bbox", min_iou=0.1))


def counted(found):
    return {name: n for name, n in found.counts.items() if n}


def costing(found):
    return {name: pytest.approx(cost, abs=1e-12) for name, cost in found.costs.items() if cost}


def test_a_perfect_result_has_no_errors():
    found = taxonomy(truth((7, FIRST), (3, SECOND)), (7, FIRST, 0.9), (3, SECOND, 0.2))
    assert found.ap50 == 1
    assert set(found.costs.values()) == {0}
    assert set(found.counts.values()) == {0}
    assert tuple(found.costs) == COSTS
    assert tuple(found.counts) == ERRORS


def test_a_box_in_a_bad_place():
    found = taxonomy(truth((7, FIRST), (7, SECOND)), (7, SECOND, 0.9), (7, LOOSE, 0.8))
    assert found.ap50 == pytest.approx(HALF)
    assert counted(found) == {"localisation": 1}
    assert costing(found) == {"localisation": 1 - HALF, "false_negatives": 1 - HALF}


def test_the_wrong_class():
    found = taxonomy(truth((7, FIRST)), (3, FIRST, 0.9))
    assert found.ap50 == 0
    assert counted(found) == {"classification": 1}
    assert costing(found) == {"classification": 1}  # unfound cups leave the forks, still 0


def test_the_wrong_class_in_a_bad_place():
    found = taxonomy(truth((7, FIRST), (3, SECOND)), (3, LOOSE, 0.9), (3, SECOND, 0.8))
    assert counted(found) == {"both": 1, "missed": 1}
    assert found.ap50 == pytest.approx(0.5 / 2)
    assert costing(found) == {
        "both": 0.25,
        "missed": 0.25,
        "false_positives": 0.25,
        "false_negatives": 0.25,
    }


def test_found_twice():
    found = taxonomy(
        truth((7, FIRST), (7, SECOND)), (7, FIRST, 0.9), (7, FIRST, 0.8), (7, SECOND, 0.7)
    )
    assert counted(found) == {"duplicate": 1}
    assert found.ap50 == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert costing(found) == {"duplicate": 1 - found.ap50, "false_positives": 1 - found.ap50}


def test_found_where_nothing_is():
    found = taxonomy(truth((7, FIRST)), (7, FAR, 0.9), (7, FIRST, 0.8))
    assert counted(found) == {"background": 1}
    assert found.ap50 == pytest.approx(0.5)
    assert costing(found) == {"background": 0.5, "false_positives": 0.5}


def test_not_found_at_all():
    found = taxonomy(truth((7, FIRST), (7, SECOND)), (7, FIRST, 0.9))
    assert counted(found) == {"missed": 1}
    assert costing(found) == {"missed": 1 - HALF, "false_negatives": 1 - HALF}


def test_only_the_best_scored_error_of_an_object_is_mended():
    found = taxonomy(truth((7, FIRST)), (7, LOOSE, 0.9), (3, FIRST, 0.8), (7, LOOSE, 0.7))
    assert counted(found) == {"classification": 1, "localisation": 2}
    # mending the places: the cup is found, the forks stay wrong; mending the class gains nothing
    assert costing(found) == {"localisation": 0.5}


def test_a_crowd_excuses_detections_of_its_class():
    crowd = (7, [150, 150, 100, 100], 1)
    excused = taxonomy(truth((7, FIRST), crowd), (7, FAR, 0.9), (7, FIRST, 0.8))
    assert excused.ap50 == 1
    assert counted(excused) == {"background": 1}  # it is in the counts, and costs nothing
    assert costing(excused) == {}
    other = taxonomy(truth((7, FIRST), crowd), (3, FAR, 0.9), (7, FIRST, 0.8))
    assert other.ap50 == pytest.approx(0.5)


def test_a_hundred_detections_of_an_image_count():
    many = [(3, FAR, 0.9)] * 100
    found = taxonomy(truth((7, FIRST)), *many, (7, FIRST, 0.1))
    assert counted(found) == {"background": 100, "missed": 1}


def test_no_detections():
    found = taxonomy(truth((7, FIRST), (3, SECOND)))
    assert found.ap50 == 0
    assert counted(found) == {"missed": 2}
    assert costing(found) == {"missed": 1, "false_negatives": 1}


@pytest.mark.parametrize("objects", [[], [(7, FIRST, 1)]], ids=["no truth", "a crowd only"])
def test_without_objects_nothing_has_a_price(objects):
    found = taxonomy(truth(*objects), (7, FAR, 0.9))
    assert found.ap50 is None
    assert set(found.costs.values()) == {None}
    assert counted(found) == {"background": 1}


def golden_files(coco_dir, kind):
    golden = coco_dir / "golden"
    results = golden / f"instances_val2014_fake{kind}100_results.json"
    return golden / "instances_val2014_100.json", results


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_the_golden_numbers_of_tidecv(photos_dir, kind):
    document, results = (json.loads(path.read_text()) for path in golden_files(photos_dir, kind))
    found = error_taxonomy(find_overlaps(document, results, kind, min_iou=0.1))
    assert found.ap50 == pytest.approx(GOLDEN[kind]["ap50"] / 100, abs=1e-9)
    points = [cost / 100 for cost in GOLDEN[kind]["costs"]]
    assert [found.costs[name] for name in COSTS] == pytest.approx(points, abs=1e-9)
    assert list(found.counts.values()) == GOLDEN[kind]["counts"]


def by_tidecv(document, results, kind):
    """AP50, costs and counts from tidecv itself."""
    tidecv = pytest.importorskip("tidecv")
    ground, found = tidecv.Data("truth"), tidecv.Data("results")
    sizes = {image["id"]: (image["width"], image["height"]) for image in document["images"]}
    for image in document["images"]:
        ground.add_image(image["id"], str(image["id"]))
    for a in document["annotations"]:
        add = ground.add_ignore_region if a["iscrowd"] else ground.add_ground_truth
        mask = tidecv.functions.toRLE(a["segmentation"], *sizes[a["image_id"]])
        add(a["image_id"], a["category_id"], a["bbox"], mask)
    for r in results:
        shape = r.get("bbox"), r.get("segmentation")
        found.add_detection(r["image_id"], r["category_id"], r["score"], *shape)
    mode = {"bbox": tidecv.TIDE.BOX, "segm": tidecv.TIDE.MASK}[kind]
    run = tidecv.TIDE().evaluate(ground, found, mode=mode)
    names = ["Cls", "Loc", "Both", "Dupe", "Bkg", "Miss", "FalsePos", "FalseNeg"]
    points = {**run.fix_main_errors(), **run.fix_special_errors()}
    costs = {error.short_name: value / 100 for error, value in points.items()}
    counts = {error.short_name: n for error, n in run.count_errors().items()}
    return run.ap / 100, [costs[n] for n in names], [counts[n] for n in names[:6]]


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_equal_to_tidecv_on_the_golden_files(coco_dir, kind):
    document, results = (json.loads(path.read_text()) for path in golden_files(coco_dir, kind))
    assert_equal_to_tidecv(document, results, kind)


def drawn_boxes(seed):
    """Small whole numbers: ties of scores and overlaps, crowds, images without objects."""
    rng = random.Random(seed)  # `random()` gives the same numbers in every version of Python

    def below(high):
        return int(rng.random() * high)

    n_objects, n_results = 2 + below(58), 2 + below(58)
    image_ids = [below(12) + 12 * i for i in range(4)]
    category_ids = [below(6) + 6 * i for i in (2, 0, 1)]

    def record(**more):
        x, y, w, h = below(8), below(8), 1 + below(8), 1 + below(8)
        category_id = category_ids[below(2 if more.get("iscrowd") == 0 else 3)]
        place = {"image_id": image_ids[below(4)], "category_id": category_id}
        corners = [[x, y, x + w, y, x + w, y + h, x, y + h]]
        return {**place, "bbox": [x, y, w, h], "segmentation": corners, **more}

    document = {
        "images": [{"id": i, "height": 20, "width": 20} for i in image_ids],
        "annotations": [record(iscrowd=int(rng.random() < 0.1)) for _ in range(n_objects)],
        "categories": [{"id": i, "name": str(i)} for i in category_ids],
    }
    results = [record(score=(1 + below(19)) / 20) for _ in range(n_results * (1 + seed % 9))]
    return document, results


@pytest.mark.parametrize("seed", SEEDS)
def test_equal_to_tidecv_on_drawn_boxes(seed):
    ap50, costs, counts = json.loads(BY_TIDECV.read_text())[seed]
    assert_equal(
        error_taxonomy(find_overlaps(*drawn_boxes(seed), "bbox", min_iou=0.1)), ap50, costs, counts
    )


def test_the_stored_figures_are_those_of_tidecv():
    stored = json.loads(BY_TIDECV.read_text())
    for seed in SEEDS:
        for one, other in zip(stored[seed], by_tidecv(*drawn_boxes(seed), "bbox"), strict=True):
            assert one == pytest.approx(other, abs=1e-12)


def assert_equal_to_tidecv(document, results, kind):
    assert_equal(
        error_taxonomy(find_overlaps(document, results, kind, min_iou=0.1)),
        *by_tidecv(document, results, kind),
    )


def assert_equal(found, ap50, costs, counts):
    assert found.ap50 == pytest.approx(ap50, abs=1e-9)
    assert [found.costs[name] for name in COSTS] == pytest.approx(costs, abs=1e-9)
    assert list(found.counts.values()) == counts
