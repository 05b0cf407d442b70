from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from instseg.formats.stratify import stratified

PHOTO = ("", 1)
SHARES = (0.8, 0.1, 0.1)


def photos(*classes):
    return [{PHOTO: 1, **{(name, 1): 1 for name in own}} for own in classes]


def shares_of(groups, splits, name):
    sizes = Counter()
    for group, split in zip(groups, splits.tolist(), strict=True):
        sizes[split] += group.get(name, 0)
    return np.array([sizes[split] for split in range(3)]) / sum(sizes.values())


def test_each_class_has_its_share():
    draw = np.random.default_rng(0)
    names, odds = "abcdef", (0.5, 0.4, 0.3, 0.2, 0.1, 0.05)
    groups = photos(
        *([n for n, p in zip(names, odds, strict=True) if draw.random() < p] for _ in range(1000))
    )
    splits = stratified(groups, SHARES, 0)
    for label in (PHOTO, *((name, 1) for name in names)):
        assert abs(shares_of(groups, splits, label) - SHARES).max() < 0.03, label


def test_groups_that_are_large_count_by_their_photos():
    groups = [{PHOTO: 10, ("a", 1): 10} for _ in range(8)] + photos(*["a"] * 20)
    splits = stratified(groups, SHARES, 0)
    assert shares_of(groups, splits, ("a", 1)).tolist() == [0.8, 0.1, 0.1]


def test_a_rare_class_is_in_all_splits_and_these_keep_their_sizes():
    groups = photos(*["ab"] * 3, *["a"] * 57)
    for seed in range(10):
        splits = stratified(groups, SHARES, seed)
        assert sorted(splits[:3].tolist()) == [0, 1, 2]
        assert np.bincount(splits).tolist() == [48, 6, 6]


def test_a_class_of_one_photo_is_in_the_first_split():
    groups = photos("ab", *["a"] * 19)
    assert {int(stratified(groups, (0.1, 0.9), seed)[0]) for seed in range(5)} == {0}


def test_two_videos_are_two_splits():
    splits = stratified([{PHOTO: 90, ("a", 1): 5}, {PHOTO: 30, ("a", 1): 30}], (0.9, 0.1), 0)
    assert sorted(splits.tolist()) == [0, 1]


@given(
    st.lists(st.dictionaries(st.sampled_from("abcd"), st.integers(1, 4)), min_size=1, max_size=30),
    st.integers(0, 3),
)
def test_the_first_split_has_every_class(own, seed):
    groups = [{PHOTO: 5, **{(name, 1): n for name, n in each.items()}} for each in own]
    splits = stratified(groups, SHARES, seed)
    assert set(splits.tolist()) <= {0, 1, 2}
    every = {name for group in groups for name in group}
    assert {name for g, s in zip(groups, splits, strict=True) if s == 0 for name in g} == every
