"""Every silent zero is named, and sound data is left in peace."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from instseg.evaluation.silent_zeros import explain_zeros

CATEGORY_IDS = [1, 2, 4, 7, 8]  # with gaps, as COCO's


def make(images=10, objects=4, size_hw=(300, 400)):
    """A ground truth, and results that find every object nearly."""
    rng = np.random.default_rng(0)
    annotations, results = [], []
    for i in range(images * objects):
        extent = rng.uniform(20, 90, 2)
        start = rng.uniform(0, 1, 2) * (np.array(size_hw)[::-1] - extent)
        box, noise = np.concatenate([start, extent]), rng.normal(0, 2, 4)
        ids = {"image_id": 100 + i // objects, "category_id": CATEGORY_IDS[i % 5]}
        annotations.append(
            {
                **ids,
                "id": i + 1,
                "bbox": box.tolist(),
                "area": 1.0,
                "iscrowd": 0,
                "segmentation": [],
            }
        )
        results.append({**ids, "bbox": (box + noise).tolist(), "score": float(rng.random())})
    truth = {
        "images": [
            {"id": 100 + i, "height": size_hw[0], "width": size_hw[1]} for i in range(images)
        ],
        "annotations": annotations,
        "categories": [{"id": i, "name": f"class {i}"} for i in CATEGORY_IDS],
    }
    return truth, results


TRUTH, RESULTS = make()


def changed(results=RESULTS, **changes):
    """The results with fields made anew from the old values."""
    return [{**r, **{name: change(r[name]) for name, change in changes.items()}} for r in results]


def with_masks(size_hw=(300, 400), counts=None):
    bits = np.zeros(size_hw, np.uint8, order="F")
    bits[20:40, 30:70] = 1
    rle = coco_mask.encode(bits)
    found = {"size": list(size_hw), "counts": counts or rle["counts"].decode()}
    kept = ("image_id", "category_id", "score")
    return [{**{name: r[name] for name in kept}, "segmentation": found} for r in RESULTS]


def only(results=RESULTS, kind="bbox", truth=TRUTH):
    """The one problem that there is."""
    (problem,) = explain_zeros(truth, results, kind)
    assert "\n" not in problem.message
    return problem


def test_sound_results_have_no_problem():
    assert explain_zeros(TRUTH, RESULTS, "bbox") == []
    assert explain_zeros(TRUTH, with_masks(), "segm") == []
    assert explain_zeros(TRUTH, with_masks(counts=[1, 2, 300 * 400 - 3]), "boundary") == []


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_the_golden_results_have_no_problem(coco_dir, kind):
    golden = coco_dir / "golden"
    truth = json.loads((golden / "instances_val2014_100.json").read_text())
    results = json.loads((golden / f"instances_val2014_fake{kind}100_results.json").read_text())
    assert explain_zeros(truth, results, kind) == []


@pytest.mark.parametrize("noise", [0.01, 0.1, 0.3])
@pytest.mark.parametrize("part", ["train", "val"])
def test_noisy_copies_of_real_annotations_have_no_problem(coco_dir, part, noise):
    truth = json.loads((coco_dir / "annotations" / f"instances_{part}2017.json").read_text())
    rng = np.random.default_rng(0)
    results = []
    for annotation in truth["annotations"]:
        box = np.array(annotation["bbox"])
        moved = (box + noise * rng.normal(0, 1, 4) * box[[2, 3, 2, 3]]).clip(0)
        ids = {name: annotation[name] for name in ("image_id", "category_id")}
        results.append({**ids, "bbox": moved.tolist(), "score": float(rng.random())})
    assert explain_zeros(truth, results, "bbox") == []


def test_no_ground_truth_or_only_crowds():
    problem = only(truth={**TRUTH, "annotations": []})
    assert (problem.code, problem.severity) == ("no-ground-truth", "error")
    crowds = [{**annotation, "iscrowd": 1} for annotation in TRUTH["annotations"]]
    assert only(truth={**TRUTH, "annotations": crowds}).code == "only-crowds"


def test_a_broken_ground_truth_is_named():
    problem = only(truth={**TRUTH, "annotations": [{"image_id": 100}, *TRUTH["annotations"]]})
    assert (problem.code, problem.severity) == ("bad-ground-truth", "error")
    assert "annotations[0]" in problem.message
    assert "category_id" in problem.message
    codes = {problem.code for problem in explain_zeros({}, RESULTS, "bbox")}
    assert codes == {"bad-ground-truth"}


def test_no_results():
    assert only([]).code == "no-results"


def test_results_without_what_is_asked_for():
    problem = only(RESULTS, "segm")
    assert (problem.code, problem.severity) == ("no-masks", "error")
    assert "evaluate boxes" in problem.message
    assert only(with_masks(), "bbox").code == "no-boxes"


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (17, "results[3]: expected a record"),
        (
            {"image_id": 100, "category_id": 1, "bbox": [0, 0, 5, 5]},
            "score to be a number, got not",
        ),
        ({**RESULTS[3], "score": "high"}, "got 'high'"),
        ({**RESULTS[3], "image_id": "100"}, "image_id to be a whole number below 2^53, got '100'"),
        ({**RESULTS[3], "category_id": None}, "category_id"),
        ({**RESULTS[3], "category_id": 10**30}, "category_id"),
        ({**RESULTS[3], "score": 10**400}, "score to be a number"),
        ({**RESULTS[3], "bbox": [1, 2, 3]}, "bbox to be four finite numbers"),
        ({**RESULTS[3], "bbox": [1, 2, 3, float("nan")]}, "bbox to be four finite numbers"),
        ({**RESULTS[3], "bbox": [1, 2, 3, "4"]}, "bbox to be four finite numbers"),
    ],
)
def test_the_first_broken_record_is_named(record, words):
    problem = only([*RESULTS[:3], record, *RESULTS[4:]])
    assert (problem.code, problem.severity) == ("bad-results", "error")
    assert "results[3]" in problem.message
    assert words in problem.message


@pytest.mark.parametrize("counts", ["52", [5, 6], [-1, 120_001], [10**400]])
def test_masks_on_which_pycocotools_hangs_or_crashes_are_named(counts):
    masks = with_masks()
    masks[3] = {**masks[3], "segmentation": {"size": [300, 400], "counts": counts}}
    problem = only(masks, "segm")
    assert (problem.code, problem.severity) == ("bad-results", "error")
    assert "results[3]" in problem.message and "300 x 400" in problem.message


def test_polygons_among_results_are_broken_records():
    polygons = [{**r, "segmentation": [[1, 1, 9, 1, 9, 9]]} for r in RESULTS]
    assert "expected segmentation to be an RLE" in only(polygons, "segm").message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["image_id", "category_id", "score", "bbox", "segmentation", "size"]),
            inner,
        )
    ),
    max_leaves=12,
)


@given(st.lists(JSON, min_size=1, max_size=4), st.sampled_from(["bbox", "segm"]))
def test_junk_is_explained_not_raised(junk, kind):
    assert explain_zeros(TRUTH, junk, kind)


def test_a_document_where_a_list_is_due():
    assert "expected a list" in only({"annotations": RESULTS}).message


def test_results_of_other_images():
    problem = only(changed(image_id=lambda i: i + 5000))
    assert (problem.code, problem.severity) == ("no-shared-image", "error")
    assert "40 of 40" in problem.message
    positions = only(changed(image_id=lambda i: i - 100))
    assert "positions in its list of 10 images" in positions.message


def test_results_of_some_other_images():
    problem = only(changed(image_id=lambda i: i if i < 107 else i + 5000))
    assert (problem.code, problem.severity) == ("unknown-images", "warning")
    assert "12 of 40" in problem.message
    assert "5107, 5108, 5109" in problem.message


def test_results_of_a_few_of_the_images():
    problem = only([r for r in RESULTS if r["image_id"] < 104])
    assert (problem.code, problem.severity) == ("few-images", "warning")
    assert "only 4 of 10 images" in problem.message


def test_results_of_other_categories():
    problem = only(changed(category_id=lambda i: i + 50))
    assert (problem.code, problem.severity) == ("no-shared-category", "error")


def test_results_of_some_other_categories():
    problem = only(changed(category_id=lambda i: i if i < 8 else 99))
    assert (problem.code, problem.severity) == ("unknown-categories", "warning")
    assert "8 of 40" in problem.message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda i: CATEGORY_IDS.index(i) + 1, "positions 1 to 5"),
        (lambda i: CATEGORY_IDS.index(i), "positions 0 to 4"),
        (lambda i: i - 1, "ids one too low"),
        (lambda i: i + 1, "ids one too high"),
    ],
)
def test_category_ids_of_another_count(change, words):
    problem = only(changed(category_id=change))
    assert (problem.code, problem.severity) == ("shifted-categories", "error")
    assert words in problem.message


def test_category_ids_of_another_count_among_masks():
    sides = {image["id"]: (image["height"], image["width"]) for image in TRUTH["images"]}
    masks = []
    for result in changed(category_id=lambda i: i - 1):
        x, y, w, h = result.pop("bbox")
        corners = [x, y, x + w, y, x + w, y + h, x, y + h]
        rle = coco_mask.merge(coco_mask.frPyObjects([corners], *sides[result["image_id"]]))
        masks.append({**result, "segmentation": {**rle, "counts": rle["counts"].decode()}})
    (problem,) = explain_zeros(TRUTH, masks, "segm")
    assert problem.code == "shifted-categories"
    assert "ids one too low" in problem.message


def test_a_model_that_confuses_two_classes_is_measured_all_the_same():
    """With two classes a bad model and exchanged ids look alike: a warning, no more."""
    truth = {
        **TRUTH,
        "annotations": [{**a, "category_id": 1} for a in TRUTH["annotations"]],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }
    (problem,) = explain_zeros(truth, changed(category_id=lambda _: 2), "bbox")
    assert (problem.code, problem.severity) == ("shifted-categories", "warning")


def test_category_ids_of_another_count_where_nothing_is_found():
    """No object is found, so the ids alone must tell."""
    lost = changed(bbox=lambda _: [0, 0, 3, 3])
    problem = only(changed(lost, category_id=lambda i: CATEGORY_IDS.index(i)))
    assert problem.code == "unknown-categories"
    assert "they look like positions 0 to 4" in problem.message


def corners_of(box):
    return [box[0], box[1], box[0] + box[2], box[1] + box[3]]


def test_corners_where_sizes_are_due():
    problem = only(changed(bbox=corners_of))
    assert (problem.code, problem.severity) == ("box-format", "error")
    assert "[x1, y1, x2, y2]" in problem.message


def test_corners_of_objects_that_would_fit_either_way():
    truth, results = make(size_hw=(150, 200))
    wide = {**truth, "images": [{**i, "height": 900, "width": 900} for i in truth["images"]]}
    assert "[x1, y1, x2, y2]" in only(changed(results, bbox=corners_of), truth=wide).message
    assert explain_zeros(wide, results, "bbox") == []


def test_corners_of_a_model_that_finds_nothing():
    """Where no box meets an object, their places still tell."""
    truth = {**TRUTH, "annotations": [{**a, "bbox": [0, 0, 1, 1]} for a in TRUTH["annotations"]]}
    assert only(changed(bbox=corners_of), truth=truth).code == "box-format"


def test_centres_where_corners_are_due():
    problem = only(changed(bbox=lambda b: [b[0] + b[2] / 2, b[1] + b[3] / 2, b[2], b[3]]))
    assert "centre x" in problem.message


def test_boxes_in_relative_units():
    problem = only(changed(bbox=lambda b: [b[0] / 400, b[1] / 300, b[2] / 400, b[3] / 300]))
    assert (problem.code, problem.severity) == ("relative-boxes", "error")


def test_boxes_in_pixels_of_a_resized_image():
    problem = only(changed(bbox=lambda b: [3 * number for number in b]))
    assert (problem.code, problem.severity) == ("boxes-outside", "warning")


def test_boxes_of_negative_width():
    results = [{**RESULTS[0], "bbox": [50, 50, -9, 9]}, *RESULTS[1:]]
    problem = only(results)
    assert (problem.code, problem.severity) == ("negative-boxes", "warning")
    assert "1 of 40" in problem.message and "results[0]" in problem.message


def test_masks_of_another_size():
    problem = only(with_masks((100, 120)), "segm")
    assert (problem.code, problem.severity) == ("mask-size", "error")
    assert "results[0] is [100, 120], image 100 is [300, 400]" in problem.message
    assert "resize" in problem.message
    few = [*with_masks((100, 120))[:4], *with_masks()[4:]]
    assert only(few, "segm").severity == "warning"


def test_masks_with_height_and_width_swapped():
    assert "swapped" in only(with_masks((400, 300)), "segm").message


def test_scores():
    assert only(changed(score=lambda _: 0.5)).code == "equal-scores"
    percent = only(changed(score=lambda s: 100 * s))
    assert (percent.code, percent.severity) == ("scores-outside", "warning")
    assert "divide them by 100" in percent.message
    assert "write probabilities" in only(changed(score=lambda s: s - 3)).message
    odd = only([*RESULTS[:5], {**RESULTS[5], "score": float("nan")}, *RESULTS[6:]])
    assert (odd.code, odd.severity) == ("nan-scores", "error")
    assert "results[5]" in odd.message


def test_a_list_that_was_cut_at_a_score():
    problem = only(changed(score=lambda score: 0.5 + score / 2))
    assert (problem.code, problem.severity) == ("scores-cut", "warning")
    assert "0.01" in problem.message


def test_every_result_twice():
    problem = only(RESULTS + RESULTS)
    assert (problem.code, problem.severity) == ("duplicate-results", "error")
    assert "40 of 80" in problem.message
    assert only(RESULTS + RESULTS[:5]).severity == "warning"
    masks = [{**r, "segmentation": dict(r["segmentation"])} for r in with_masks()]
    assert only(masks + masks, "segm").code == "duplicate-results"


def test_several_problems_are_all_named():
    broken = changed(bbox=corners_of, score=lambda _: 1.0)
    assert [p.code for p in explain_zeros(TRUTH, broken, "bbox")] == ["box-format", "equal-scores"]


@pytest.mark.filterwarnings("error")
def test_boxes_beyond_all_bounds_are_explained_in_silence():
    results = changed(bbox=lambda box: [1e307, 1e308, 1e308, 5.0])
    assert explain_zeros(TRUTH, results, "bbox")
