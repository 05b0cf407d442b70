"""Intervals and paired tests: from counts, and right about how sure they are."""

import json

import numpy as np
import pytest

from instseg.evaluation.bootstrap import draw_halves, interval, p_value, resample
from instseg.evaluation.coco_ap import METRICS, evaluate
from instseg.evaluation.matching import Matches

IMAGES = 300
CLASSES = 6
SIZES = 3
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
SHOWN = ("AP", "AP50", "AP75", "APm", "AR100")


def drawn_matches(n_images, rng, n_classes=CLASSES):
    """A detector's fortunes on drawn images, some of which are hard, with rare classes.

    Objects of a well-seen image are found more often, better outlined and scored higher; false
    positives are more frequent in a hard one.
    """
    ease = rng.normal(size=n_images)
    gt_image = np.repeat(np.arange(n_images), 1 + rng.poisson(3, size=n_images))
    share = 1 / np.arange(1, n_classes + 1)
    gt_class = rng.choice(n_classes, size=len(gt_image), p=share / share.sum())
    gt_size = rng.integers(1, SIZES + 1, size=len(gt_image))
    luck = rng.normal(size=(4, len(gt_image)))
    skill = 0.7 * ease[gt_image] + luck[0] + 0.5 * (gt_size - 1.5)
    found = 1.5 + skill > 2 * luck[1]
    quality = 1 / (1 + np.exp(-(0.9 + 0.8 * skill + 0.5 * luck[2])))
    score = 1 / (1 + np.exp(-(0.5 + skill + 0.8 * luck[3])))
    fp_image = np.repeat(np.arange(n_images), rng.poisson(2 * np.exp(-0.5 * ease)))
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
        image_ids=np.arange(n_images),
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
    found = evaluate(truth, results, kind)
    whole = resample(found.matches, np.ones((len(truth["images"]), 1), dtype=np.float32))
    for name in METRICS:
        assert whole.scores[name][0] == pytest.approx(found.scores[name], abs=1e-12)
    per_class = [scores["AP"] for scores in found.per_class.values()]
    assert np.nan_to_num(whole.per_class[:, 0], nan=-1) == pytest.approx(per_class, abs=1e-12)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_a_resample_scores_as_a_dataset_of_its_images(coco_dir, kind):
    golden = coco_dir / "golden"
    truth = json.loads((golden / "instances_val2014_100.json").read_text())
    results = json.loads((golden / f"instances_val2014_fake{kind}100_results.json").read_text())
    matches = evaluate(truth, results, kind).matches
    halves = draw_halves(len(truth["images"]), resamples=3)
    resampled = resample(matches, halves)
    for number in range(3):
        kept = set(matches.image_ids[halves[:, number] > 0].tolist())
        half = {
            **truth,
            "images": [i for i in truth["images"] if i["id"] in kept],
            "annotations": [a for a in truth["annotations"] if a["image_id"] in kept],
        }
        expected = evaluate(half, [r for r in results if r["image_id"] in kept], kind).scores
        for name in METRICS:
            assert resampled.scores[name][number] == pytest.approx(expected[name], abs=1e-12)


def test_intervals_hold_the_true_score_in_95_of_100_cases():
    """The truth is the score of 100,000 images; a case is a test set of 300."""
    rng = np.random.default_rng(0)
    truth, _ = resampled(drawn_matches(100_000, rng), 0)
    cases = 250
    hits = dict.fromkeys(SHOWN, 0)
    for case in range(cases):
        matches = drawn_matches(IMAGES, rng)
        value, halves = resampled(matches, 200, seed=case)
        for name in SHOWN:
            low, high = interval(halves[name], value[name])
            hits[name] += low <= truth[name] <= high
    coverage = {name: count / cases for name, count in hits.items()}
    assert all(0.93 <= share <= 0.97 for share in coverage.values()), coverage


def test_equal_detectors_seldom_differ_and_a_better_one_does():
    """p is below 0.05 in about 5 of 100 cases of no difference."""
    rng = np.random.default_rng(0)
    cases = 80
    surprises = found = 0
    for case in range(cases):
        first, second = drawn_matches(IMAGES, rng), drawn_matches(IMAGES, rng)
        one, other = (resampled(matches, 100, seed=case) for matches in (first, second))
        value, halves = (b["AP"] - a["AP"] for a, b in zip(one, other, strict=True))
        surprises += p_value(halves, value) < 0.05
        found += p_value(halves + 0.1, value + 0.1) < 0.05
    assert 0.01 <= surprises / cases <= 0.1
    assert found / cases > 0.8


def test_the_same_result_twice_is_no_difference():
    assert p_value(np.zeros(100), 0.0) == 1.0
    assert interval(np.zeros(100), 0.0, lowest=-1) == (0.0, 0.0)


def test_without_enough_objects_there_is_no_interval():
    assert interval(np.array([np.nan, np.nan, 0.5]), 0.5) is None
    nothing = draw_halves(1, resamples=100)
    assert nothing.sum() == 0
