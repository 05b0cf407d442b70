"""Intervals and paired tests: from counts, and right about how sure they are."""

import json

import numpy as np
import pytest

from instseg.evaluation.bootstrap import draw_halves, interval, p_value, resample
from instseg.evaluation.coco_ap import METRICS, measure_ap
from instseg.evaluation.matching import Matches

IMAGES = 300
CLASSES = 6
SIZES = 3
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
SHOWN = ("AP", "AP50", "AP75", "APm", "AR100")


def drawn_scenes(n_images, rng, n_classes=CLASSES):
    """Objects on drawn images, some of which are hard, of classes more and less frequent."""
    ease = rng.normal(size=n_images)
    gt_image = np.repeat(np.arange(n_images), 1 + rng.poisson(3, size=n_images))
    share = 1 / np.arange(1, n_classes + 1)
    gt_class = rng.choice(n_classes, size=len(gt_image), p=share / share.sum())
    return ease, gt_image, gt_class, rng.integers(1, SIZES + 1, size=len(gt_image))


def drawn_matches(scenes, rng, *, talent=0.0, n_classes=CLASSES):
    """A detector's fortunes.

    Objects of a well-seen image are found more often, better outlined and scored higher; false
    positives are more frequent in a hard one.
    """
    ease, gt_image, gt_class, gt_size = scenes
    luck = rng.normal(size=(4, len(gt_image)))
    skill = talent + 0.7 * ease[gt_image] + luck[0] + 0.5 * (gt_size - 1.5)
    found = 1.5 + skill > 2 * luck[1]
    quality = 1 / (1 + np.exp(-(0.9 + 0.8 * skill + 0.5 * luck[2])))
    score = 1 / (1 + np.exp(-(0.5 + skill + 0.8 * luck[3])))
    fp_image = np.repeat(np.arange(len(ease)), rng.poisson(2 * np.exp(-0.5 * ease)))
    fp = (
        fp_image,
        rng.integers(n_classes, size=len(fp_image)),
        rng.integers(1, SIZES + 1, size=len(fp_image)),
        rng.beta(1.2, 3, size=len(fp_image)),
        np.zeros(len(fp_image)),
    )
    tp = (gt_image[found], gt_class[found], gt_size[found], score[found], quality[found])
    image, of_class, size, score, quality = map(np.concatenate, zip(tp, fp, strict=True))
    order = np.lexsort((-score, of_class))
    counts = np.arange(SIZES + 1)[:, None]
    of_size = (counts == 0) | (counts == size[order])
    return Matches(
        image_ids=np.arange(len(ease)),
        category_ids=np.arange(n_classes),
        iou_thresholds=IOU_THRESHOLDS,
        recall_thresholds=np.linspace(0, 1, 101),
        det_image=image[order],
        det_class=of_class[order],
        det_score=score[order],
        det_rank=np.zeros(len(order), dtype=int),
        det_true=(quality[order] >= IOU_THRESHOLDS[:, None]) & of_size[:, None],
        det_ignored=np.repeat(~of_size[:, None], len(IOU_THRESHOLDS), axis=1),
        gt_image=gt_image,
        gt_class=gt_class,
        gt_ignored=(counts > 0) & (counts != gt_size),
    )


def resampled(matches, resamples, seed=0):
    """The scores of all images, and those of halves of them."""
    images = len(matches.image_ids)
    whole = np.ones((images, 1), dtype=np.float32)
    halves = draw_halves(images, resamples=resamples, seed=seed)
    scores = resample(matches, np.hstack([whole, halves])).scores
    return {n: v[0] for n, v in scores.items()}, {n: v[1:] for n, v in scores.items()}


@pytest.mark.parametrize("kind", ["bbox", "segm", "boundary"])
def test_counts_give_exactly_what_the_evaluator_gives(coco_dir, kind):
    golden = coco_dir / "golden"
    truth = json.loads((golden / "instances_val2014_100.json").read_text())
    shape = "bbox" if kind == "bbox" else "segm"
    results = json.loads((golden / f"instances_val2014_fake{shape}100_results.json").read_text())
    found = measure_ap(truth, results, kind)
    whole = resample(found.matches, np.ones((len(truth["images"]), 1), dtype=np.float32))
    for name in METRICS:
        assert whole.scores[name][0] == pytest.approx(found.scores[name], abs=1e-6)
    per_class = [scores["AP"] for scores in found.per_class.values()]
    assert np.nan_to_num(whole.per_class[:, 0], nan=-1) == pytest.approx(per_class, abs=1e-6)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_a_resample_scores_as_a_dataset_of_its_images(coco_dir, kind):
    golden = coco_dir / "golden"
    truth = json.loads((golden / "instances_val2014_100.json").read_text())
    results = json.loads((golden / f"instances_val2014_fake{kind}100_results.json").read_text())
    matches = measure_ap(truth, results, kind).matches
    halves = draw_halves(len(truth["images"]), resamples=3)
    resampled = resample(matches, halves)
    for number in range(3):
        kept = set(matches.image_ids[halves[:, number] > 0].tolist())
        half = {
            **truth,
            "images": [i for i in truth["images"] if i["id"] in kept],
            "annotations": [a for a in truth["annotations"] if a["image_id"] in kept],
        }
        expected = measure_ap(half, [r for r in results if r["image_id"] in kept], kind).scores
        for name in METRICS:
            score = np.nan_to_num(resampled.scores[name][number], nan=-1)  # no object of this size
            assert score == pytest.approx(expected[name], abs=1e-6)


def test_intervals_hold_the_true_score_in_95_of_100_cases():
    """The truth is the score of 100,000 images; a case is a test set of 300.

    250 cases have a standard error of 0.014, so the bounds are wide; docs/evaluation.md has the
    figures of many more.
    """
    rng = np.random.default_rng(0)
    truth, _ = resampled(drawn_matches(drawn_scenes(100_000, rng), rng), 0)
    cases = 250
    hits = dict.fromkeys(SHOWN, 0)
    for case in range(cases):
        value, halves = resampled(drawn_matches(drawn_scenes(IMAGES, rng), rng), 200, seed=case)
        for name in SHOWN:
            low, high = interval(halves[name], value[name])
            hits[name] += low <= truth[name] <= high
    coverage = {name: count / cases for name, count in hits.items()}
    assert all(0.91 <= share <= 0.98 for share in coverage.values()), coverage


def test_equal_detectors_seldom_differ_and_a_better_one_does():
    """On the same images; p is below 0.05 in about 5 of 100 cases of no difference."""
    rng = np.random.default_rng(0)
    cases = 80
    surprises = found = 0
    for case in range(cases):
        scenes = drawn_scenes(IMAGES, rng)
        first, equal, better = (
            resampled(drawn_matches(scenes, rng, talent=talent), 100, seed=case)
            for talent in (0, 0, 0.4)
        )
        for (value, halves), more in ((equal, False), (better, True)):
            p = p_value(halves["AP"] - first[1]["AP"], value["AP"] - first[0]["AP"])
            surprises += p < 0.05 and not more
            found += p < 0.05 and more
    assert surprises / cases <= 0.12
    assert found / cases > 0.8


def test_pairing_lets_easy_and_hard_images_cancel_out():
    rng = np.random.default_rng(0)
    scenes = drawn_scenes(IMAGES, rng)
    first, second = (drawn_matches(scenes, rng) for _ in range(2))
    (_, one), (_, same), (_, apart) = (
        resampled(matches, 300, seed=seed)
        for matches, seed in ((first, 1), (second, 1), (second, 2))
    )
    assert (same["AP"] - one["AP"]).std() < 0.9 * (apart["AP"] - one["AP"]).std()


def test_crowded_images_count_as_many_detections_as_the_score():
    """AP counts the first hundred of a class in an image, whatever else is measured."""
    boxes = [[x, y, 4, 4] for x in range(0, 70, 5) for y in range(0, 70, 5)]
    common = {"image_id": 1, "category_id": 7}
    truth = {
        "images": [{"id": 1, "height": 100, "width": 100}],
        "annotations": [
            {**common, "id": i, "bbox": box, "area": 16, "iscrowd": 0}
            for i, box in enumerate(boxes, start=1)
        ],
        "categories": [{"id": 7, "name": "cup"}],
    }
    results = [{**common, "bbox": box, "score": 1 - i / 1000} for i, box in enumerate(boxes)]
    found = measure_ap(truth, results, "bbox", max_detections=(1, 10, 100, 300))
    whole = resample(found.matches, np.ones((1, 1), dtype=np.float32))
    assert found.scores["AP"] < 0.6 < found.scores["AP_300"]
    for name in METRICS:
        assert np.nan_to_num(whole.scores[name][0], nan=-1) == pytest.approx(found.scores[name])


def test_the_same_result_twice_is_no_difference():
    assert p_value(np.zeros(100), 0.0) == 1.0


def test_where_the_halves_cannot_tell_there_is_no_interval_and_no_p():
    """One photo is in half of the halves; without scatter nothing is known either."""
    one_photo = np.where(np.arange(100) % 2, 0.7, np.nan)
    assert interval(one_photo, 0.7) is None
    assert p_value(one_photo, 0.7) is None
    for same in (np.ones(100), 0.8 + 1e-16 * np.arange(100)):  # but for rounding
        assert interval(same, same[0]) is None
        assert p_value(same, same[0]) is None
