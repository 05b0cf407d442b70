"""Scores of semantic maps: equal to the field's own, counted over the dataset, and honest."""

import json

import numpy as np
import pytest
import torch
from sklearn import metrics as sklearn_metrics
from torchmetrics import classification as torchmetrics

from instseg.evaluation.bootstrap import draw_halves
from instseg.evaluation.semantic import (
    CLASS_METRICS,
    METRICS,
    SemanticEvaluator,
    SemanticScores,
    class_scores,
    mean_scores,
    score_differences,
)

NAMES = ("BG", "cat", "dog", "cup")
SIZES_HW = [(30, 40), (25, 61), (48, 48), (12, 90)]


def drawn_pairs(seed=0):
    """Maps of images of several sizes, blocks of labels with a tenth ignored; two thirds right."""
    rng = np.random.default_rng(seed)
    pairs = []
    for height, width in SIZES_HW:
        blocks = rng.integers(len(NAMES), size=(height // 6, width // 6)).astype(np.uint8)
        truth = np.kron(np.pad(blocks, 1, mode="edge"), np.ones((6, 6), dtype=np.uint8))
        truth = truth[:height, :width].copy()
        noise = rng.integers(len(NAMES), size=truth.shape, dtype=np.uint8)
        prediction = np.where(rng.random(truth.shape) < 0.6, truth, noise)
        truth[rng.random(truth.shape) < 0.1] = 255
        pairs.append((truth, prediction))
    return pairs


def scored(pairs, names=NAMES, **options):
    evaluator = SemanticEvaluator(names)
    for truth, prediction in pairs:
        evaluator.add(np.asarray(truth), np.asarray(prediction))
    return evaluator.scores(**options)


def per_class(scores, metric):
    return [row[metric] for row in scores.class_rows()]


@pytest.fixture
def flat():
    """All pixels that count: truth, prediction."""
    pairs = drawn_pairs()
    truth, prediction = (np.concatenate([np.ravel(p[i]) for p in pairs]) for i in range(2))
    return truth[truth != 255], prediction[truth != 255]


def test_equal_to_scikit_learn(flat):
    found = scored(drawn_pairs())
    np.testing.assert_array_equal(found.confusion, sklearn_metrics.confusion_matrix(*flat))
    close = {"abs": 1e-9}
    jaccard, f1 = sklearn_metrics.jaccard_score, sklearn_metrics.f1_score
    assert per_class(found, "IoU") == pytest.approx(jaccard(*flat, average=None), **close)
    assert per_class(found, "Dice") == pytest.approx(f1(*flat, average=None), **close)
    recalls = sklearn_metrics.recall_score(*flat, average=None)
    assert per_class(found, "ACC") == pytest.approx(recalls, **close)
    foreground = {"labels": [1, 2, 3]}
    of_objects = flat[0] > 0
    expected = {
        "mIoU": jaccard(*flat, average="macro"),
        "mDice": f1(*flat, average="macro"),
        "fwIoU": jaccard(*flat, average="weighted"),
        "pACC": sklearn_metrics.accuracy_score(*flat),
        "mACC": sklearn_metrics.balanced_accuracy_score(*flat),
        "mIoU_fg": jaccard(*flat, average="macro", **foreground),
        "mDice_fg": f1(*flat, average="macro", **foreground),
        "fwIoU_fg": jaccard(*flat, average="weighted", **foreground),
        "pACC_fg": sklearn_metrics.accuracy_score(flat[0][of_objects], flat[1][of_objects]),
        "mACC_fg": sklearn_metrics.recall_score(*flat, average="macro", **foreground),
    }
    assert {name: found.scores[name] for name in expected} == pytest.approx(expected, **close)
    assert set(METRICS) - set(expected) == {"mBIoU", "mBIoU_fg"}


@pytest.fixture
def in_64_bits(monkeypatch):
    """Torchmetrics divides counts in 32 bits."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.mark.usefixtures("in_64_bits")
def test_equal_to_torchmetrics():
    found = scored(drawn_pairs())
    options = {"num_classes": len(NAMES), "ignore_index": 255}
    confusion = torchmetrics.MulticlassConfusionMatrix(**options)
    referees = {
        "mIoU": torchmetrics.MulticlassJaccardIndex(**options),
        "mDice": torchmetrics.MulticlassF1Score(**options),
        "fwIoU": torchmetrics.MulticlassJaccardIndex(average="weighted", **options),
        "pACC": torchmetrics.MulticlassAccuracy(average="micro", **options),
        "mACC": torchmetrics.MulticlassAccuracy(average="macro", **options),
        "IoU": torchmetrics.MulticlassJaccardIndex(average=None, **options),
        "Dice": torchmetrics.MulticlassF1Score(average=None, **options),
        "ACC": torchmetrics.MulticlassAccuracy(average=None, **options),
    }
    for truth, prediction in drawn_pairs():
        for referee in (confusion, *referees.values()):
            referee.update(torch.from_numpy(prediction), torch.from_numpy(truth).long())
    np.testing.assert_array_equal(found.confusion, confusion.compute().numpy())
    for name, referee in referees.items():
        ours = per_class(found, name) if name in CLASS_METRICS else found.scores[name]
        assert ours == pytest.approx(referee.compute().numpy(), abs=1e-9), name


def test_a_map_by_hand():
    """Truth 2 x 4 with one pixel ignored; a class that is only predicted is in no mean."""
    truth = [[0, 0, 1, 1], [0, 255, 1, 1]]
    prediction = [[0, 1, 1, 1], [0, 1, 2, 0]]
    found = scored([(truth, prediction)], NAMES[:3])
    np.testing.assert_array_equal(found.confusion, [[2, 1, 0], [1, 2, 1], [0, 0, 0]])
    assert per_class(found, "IoU") == pytest.approx([2 / 4, 2 / 5, None])
    assert per_class(found, "Dice") == pytest.approx([4 / 6, 4 / 7, None])
    assert per_class(found, "ACC") == pytest.approx([2 / 3, 2 / 4, None])
    expected = {
        "mIoU": (1 / 2 + 2 / 5) / 2,
        "fwIoU": (3 * 1 / 2 + 4 * 2 / 5) / 7,
        "pACC": 4 / 7,
        "mIoU_fg": 2 / 5,  # one false cat on the background is an error of the cat
        "fwIoU_fg": 2 / 5,
        "pACC_fg": 2 / 4,
    }
    assert {name: found.scores[name] for name in expected} == pytest.approx(expected)
    assert [(row["pixels"], row["images"]) for row in found.class_rows()] == [
        (3, 1),
        (4, 1),
        (0, 0),
    ]


def test_boundary_iou_is_counted_over_the_dataset():
    """A square of 40 that is found 2 pixels too far right, and one that is not found."""
    truth = np.zeros((120, 160), dtype=np.uint8)  # its boundary is 4 pixels wide
    truth[40:80, 60:100] = 1
    frame = truth == 1
    frame[44:76, 64:96] = False
    prediction = np.roll(truth, 2, axis=1)
    found = scored([(truth, prediction), (truth, np.zeros_like(truth))], NAMES[:2])
    both = np.count_nonzero(frame & np.roll(frame, 2, axis=1))
    cat = per_class(found, "BIoU")[1]
    assert cat == pytest.approx(both / (3 * frame.sum() - both))
    assert cat == found.scores["mBIoU_fg"] < found.scores["mIoU_fg"]


def test_batches_are_not_averaged():
    """Two images score as one that holds the pixels of both; boundaries apart."""
    pairs = drawn_pairs()
    together = [[np.concatenate([p[i].ravel() for p in pairs])[None] for i in range(2)]]
    whole, found = scored(together).scores, scored(pairs).scores
    for name in METRICS:
        if "BIoU" not in name:
            assert found[name] == pytest.approx(whole[name], abs=1e-12)
    each = [scored([pair]).scores["mIoU"] for pair in pairs]
    assert abs(np.mean(each) - found["mIoU"]) > 1e-4


def test_of_images_scores_each_alone():
    pairs = drawn_pairs()
    of_images = scored(pairs).of_images()
    for i, pair in enumerate(pairs):
        alone = scored([pair]).scores
        assert {n: v[i] for n, v in of_images.items()} == pytest.approx(alone, abs=1e-12)


def test_ignored_pixels_never_count():
    pairs = drawn_pairs()
    expected = scored(pairs).scores
    rng = np.random.default_rng(5)
    for truth, prediction in pairs:
        prediction[truth == 255] = rng.integers(len(NAMES), size=np.count_nonzero(truth == 255))
    assert scored(pairs).scores == expected


def test_any_integers():
    pairs = drawn_pairs()
    wide = [(t.astype(np.int64), p.astype(np.int32)) for t, p in pairs]
    assert scored(wide).scores == scored(pairs, resamples=0).scores
    many = [f"class {i}" for i in range(255)]
    last = np.full((5, 5), 254)
    assert per_class(scored([(last, last)], many), "IoU") == [None] * 254 + [1.0]


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        ([[0, 1]], [[0, 255]], r"prediction: expected labels 0\.\.3, got 255"),
        ([[0, 255]], [[0, 255]], r"prediction: expected labels 0\.\.3, got 255"),
        ([[0, 4]], [[0, 1]], r"truth: expected labels 0\.\.3, got 4"),
        ([[0, -1]], [[0, 1]], r"truth: expected labels 0\.\.3, got -1"),
        ([[0, 1]], [[0], [1]], r"prediction: expected shape \(1, 2\), got \(2, 1\)"),
    ],
)
def test_maps_that_cannot_be_compared(truth, prediction, message):
    with pytest.raises(ValueError, match=message):
        scored([(truth, prediction)])


def test_as_many_classes_as_a_byte_holds():
    with pytest.raises(ValueError, match="expected 1 to 255, got 256"):
        SemanticEvaluator(["class"] * 256)


@pytest.mark.filterwarnings("error")
def test_where_there_is_nothing_to_find():
    """No images; one image, of which no half is left; images without objects."""
    nothing = scored([])
    assert np.isnan(list(nothing.scores.values())).all()
    assert set(nothing.intervals.values()) == {None}
    one = scored(drawn_pairs()[:1])
    assert one.scores["mIoU"] > 0.4
    assert one.intervals["mIoU"] is None
    empty = scored([(np.zeros((9, 9), int), np.zeros((9, 9), int))] * 3)
    assert (empty.scores["mIoU"], empty.scores["pACC"]) == (1, 1)
    assert np.isnan(empty.scores["mIoU_fg"])
    for scores in (nothing, one, empty):
        json.dumps([scores.as_json(), score_differences(scores, scores)], allow_nan=False)


def test_few_images_are_no_sample():
    """Halves of nine images scatter less than other images would."""
    pairs = [pair for seed in range(3) for pair in drawn_pairs(seed)]
    right = [(truth, np.where(truth == 255, 0, truth)) for truth, _ in pairs]
    for few, enough in ((9, False), (10, True)):
        found, better = scored(pairs[:few]), scored(right[:few])
        assert (found.intervals["mIoU"] is not None) == enough
        assert score_differences(found, better)["scores"]["mIoU"]["significant"] is (
            True if enough else None
        )
        assert score_differences(found, found)["scores"]["mIoU"]["p"] == (1 if enough else None)


def test_scores_without_intervals():
    found = scored(drawn_pairs(), resamples=0).as_json()
    assert found["scores"] == scored(drawn_pairs()).as_json()["scores"]
    assert set(found["intervals"].values()) == {None}


def test_intervals_come_from_halves_scored_as_datasets():
    pairs = [pair for seed in range(4) for pair in drawn_pairs(seed)]
    found = scored(pairs, resamples=50, seed=3)
    halves = draw_halves(len(pairs), resamples=50, seed=3)
    of_halves = [scored([p for p, w in zip(pairs, h, strict=True) if w]) for h in halves.T]

    def expected(value, values):
        return pytest.approx((value - 1.96 * np.std(values), value + 1.96 * np.std(values)))

    for name, limits in found.intervals.items():
        assert limits == expected(found.scores[name], [h.scores[name] for h in of_halves])
    row = found.class_rows()[1]
    dice = [per_class(half, "Dice")[1] for half in of_halves]
    assert (row["Dice_low"], row["Dice_high"]) == expected(row["Dice"], dice)


def drawn_scenes(n_images, rng, classes=6):
    """True pixels of frequent and rare classes on images of 20,000 pixels, some of them hard."""
    ease = rng.normal(size=n_images)
    present = rng.random((n_images, classes)) < np.minimum(0.6, 1.5 / np.arange(1, classes + 1))
    shares = present * rng.lognormal(-3, 1, size=present.shape)
    shares *= np.minimum(1, 0.9 / np.maximum(shares.sum(axis=1, keepdims=True), 1e-9))
    return ease, np.round(20_000 * shares)


def drawn_scores(scenes, rng, *, talent=0.0, **options):
    """A model's fortunes: in easy images it finds more of each object, and less of nothing."""
    ease, true = scenes
    skill = talent + ease[:, None]
    seen = rng.random(true.shape) < 1 / (1 + np.exp(-2 - skill))
    right = np.floor(true * seen / (1 + np.exp(-1.3 - skill - rng.normal(size=true.shape))))
    false = (true - right) * rng.random(true.shape) / 3
    stray = rng.random(true.shape) < 0.04 * np.exp(-skill / 2)
    false = np.floor(false + stray * 20_000 * rng.lognormal(-4.5, 1, size=true.shape))
    background = 20_000 - true.sum(axis=1, keepdims=True)
    false = np.floor(false * np.minimum(1, background / np.maximum(false.sum(1)[:, None], 1)))
    counts = np.stack([right, true, right + false], axis=1)
    rest = np.stack([background - false.sum(1)[:, None], background], axis=1)
    rest = np.concatenate([rest, 20_000 - counts[:, 2:].sum(axis=2, keepdims=True)], axis=1)
    counts = np.concatenate([rest, counts], axis=2)
    return SemanticScores(
        class_names=("BG", *"abcdef"),
        areas=counts,
        boundaries=np.floor(0.3 * counts),
        confusion=np.zeros((7, 7), dtype=np.int64),
        **options,
    )


def test_a_score_lies_in_its_interval():
    """Few images, most classes in one or two of them: halves alone score something else."""
    rng = np.random.default_rng(3)
    for _ in range(5):
        found = drawn_scores(drawn_scenes(12, rng), rng, resamples=100)
        for name, (low, high) in found.intervals.items():
            assert low <= found.scores[name] <= high


def test_intervals_hold_the_true_score_in_95_of_100_cases():
    """The truth is the score of 100,000 images; a case is a test set of 300.

    250 cases have a standard error of 0.014, so the bounds are wide.
    """
    rng = np.random.default_rng(0)
    truth = drawn_scores(drawn_scenes(100_000, rng), rng, resamples=1).scores
    cases = 250
    hits = dict.fromkeys(METRICS, 0)
    for case in range(cases):
        found = drawn_scores(drawn_scenes(300, rng), rng, resamples=100, seed=case)
        for name, (low, high) in found.intervals.items():
            hits[name] += low <= truth[name] <= high
    coverage = {name: count / cases for name, count in hits.items()}
    assert all(0.91 <= share <= 0.98 for share in coverage.values()), coverage


def test_equal_models_seldom_differ_and_a_better_one_does():
    rng = np.random.default_rng(0)
    cases = 60
    surprises = found = 0
    for case in range(cases):
        scenes = drawn_scenes(300, rng)
        first, equal, better = (
            drawn_scores(scenes, rng, talent=talent, resamples=100, seed=case)
            for talent in (0, 0, 0.4)
        )
        surprises += score_differences(first, equal)["scores"]["mIoU"]["significant"]
        gain = score_differences(first, better)["scores"]["mIoU"]
        found += gain["significant"] and gain["difference"] > 0 and gain["interval"][0] > 0
    assert surprises / cases <= 0.12
    assert found / cases > 0.8


def test_pairing_lets_easy_and_hard_images_cancel_out():
    rng = np.random.default_rng(0)
    scenes = drawn_scenes(300, rng)
    first, second = (drawn_scores(scenes, rng) for _ in range(2))
    low, high = score_differences(first, second)["scores"]["mIoU"]["interval"]
    apart = np.hypot(*(np.ptp(each.intervals["mIoU"]) for each in (first, second)))
    assert high - low < 0.9 * apart


def test_difference_of_two_models():
    pairs = [pair for seed in range(3) for pair in drawn_pairs(seed)]
    better = [(truth, np.where((truth == 2), 2, prediction)) for truth, prediction in pairs]
    first, second = scored(pairs), scored(better)
    found = score_differences(first, second)
    gain = found["scores"]["mIoU"]
    assert gain["difference"] == pytest.approx(second.scores["mIoU"] - first.scores["mIoU"])
    assert gain["interval"][0] < gain["difference"] < gain["interval"][1]
    assert gain["significant"] is True
    assert gain["p"] < 0.001
    dog = found["per_class"][2]
    assert (dog["class"], dog["ACC"]["significant"]) == ("dog", True)
    back = score_differences(second, first)["scores"]["mIoU"]
    assert back["difference"] == -gain["difference"]
    same = score_differences(first, first)["scores"]["mIoU"]
    assert same == {"difference": 0, "interval": None, "p": 1, "significant": False}


@pytest.mark.parametrize("change", ["truth", "seed", "classes"])
def test_only_the_same_images_are_compared(change):
    first = scored(drawn_pairs())
    second = {
        "truth": lambda: scored([*drawn_pairs()[:-1], drawn_pairs(1)[-1]]),
        "seed": lambda: scored(drawn_pairs(), seed=1),
        "classes": lambda: scored(drawn_pairs(), ("BG", "dog", "cat", "cup")),
    }[change]()
    with pytest.raises(ValueError, match="the same classes, true semantic maps"):
        score_differences(first, second)


def test_scores_from_counts():
    """One class right on 1 of 2 pixels, 3 predicted; one absent."""
    counts = np.array([[1, 0], [2, 0], [3, 5]])
    classes = class_scores(counts, counts)
    assert classes["IoU"] == pytest.approx([1 / 4, np.nan], nan_ok=True)
    assert classes["ACC"] == pytest.approx([1 / 2, np.nan], nan_ok=True)
    means = mean_scores(classes, counts[1])
    assert means["mIoU"] == means["mBIoU"] == 1 / 4
    assert np.isnan(means["mIoU_fg"])
