"""Which photos are chosen."""

import numpy as np

from instseg.selecting.choice import Look, choose, reason

NAMES = ("BG", "cat", "dog")


def look(features, *found):
    """A photo with detections, pairs of class id and score."""
    return Look(
        class_ids=np.array([each for each, _ in found], dtype=np.int64),
        scores=np.array([score for _, score in found], dtype=np.float32),
        features=np.array(features, dtype=np.float32),
    )


def rows(looks, count, **options):
    return [each.row for each in choose(looks, count, classes=2, **options)]


def test_the_most_uncertain_comes_first_and_nothing_found_last():
    looks = [look([1, 0]), look([0, 1], (1, 0.95)), look([1, 1], (1, 0.6)), look([2, 1], (1, 0.2))]
    assert rows(looks, 4) == [2, 3, 1, 0]
    assert [each.score > 0 for each in choose(looks, 9, classes=2)] == [True] * 4


def test_photos_like_those_chosen_or_labelled_wait():
    twins = [look([0, 0], (1, 0.5)), look([0, 0], (1, 0.5)), look([5, 5], (1, 0.1))]
    assert set(rows(twins, 2)) == {0, 2} or set(rows(twins, 2)) == {1, 2}
    assert rows(twins, 1, known=[look([0, 0])]) == [2]


def test_classes_with_few_objects_count_more():
    looks = [look([0, 1], (1, 0.5)), look([1, 0], (2, 0.4))]
    assert rows(looks, 1) == [0]
    assert rows(looks, 1, objects=np.array([0, 20, 1])) == [1]
    many = [look([i, i * i], (1, 0.5), (1, 0.5)) for i in range(6)]
    one = look([9, 1], (2, 0.5))
    assert rows([*many, one], 3).index(6) > 0  # once enough of the first class are expected


def test_the_seed_decides_between_equals_only():
    looks = [look([i % 2, i], (1, 0.5)) for i in range(20)]
    assert rows(looks, 20, seed=1) == rows(looks, 20, seed=1)
    assert rows(looks, 20, seed=1) != rows(looks, 20, seed=2)
    unequal = [look([i], (1, 0.5 - i / 100)) for i in range(5)]
    assert choose(unequal, 5, classes=2, seed=1) == choose(unequal, 5, classes=2, seed=2)


def test_the_reason_names_what_is_least_sure():
    words = reason(look([0], (1, 0.9), (2, 0.55), (1, 0.06), (2, 0.4)), NAMES)
    assert words == "4 detections, least sure of dog 0.55, dog 0.40, cat 0.90"
    assert reason(look([0]), NAMES) == "nothing found"
