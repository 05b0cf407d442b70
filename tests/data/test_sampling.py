"""Which image comes when."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instseg.data.sampling import Order, raise_share, repeat_factors


@st.composite
def orders(draw, **fixed):
    """Orders of small datasets, with any mix of the options."""
    n = draw(st.integers(1, 60))

    def of_each(values):
        return st.none() | st.lists(values, min_size=n, max_size=n).map(np.array)

    options = {
        "batch_size": st.integers(1, 9),
        "seed": st.integers(0, 99),
        "repeats": of_each(st.floats(1, 4)),
        "groups": of_each(st.booleans()),
        "empty": of_each(st.booleans()),
        "empty_share": st.none() | st.floats(0, 1),
        "world_size": st.integers(1, 5),
    }
    drawn = {name: draw(values) for name, values in options.items() if name not in fixed}
    return Order(images=n, **drawn, **fixed)


def ranks(order):
    """The same order, for each of its processes."""
    fields = {name: getattr(order, name) for name in order.__dataclass_fields__}
    return [Order(**{**fields, "rank": rank}) for rank in range(order.world_size)]


@given(orders(empty_share=None), st.integers(0, 9))
def test_every_image_comes(order, epoch):
    seen = [batch for process in ranks(order) for batch in process.batches(epoch)]
    assert set(np.concatenate(seen)) == set(range(order.images))
    assert all(1 <= len(batch) <= order.batch_size for batch in seen)


@given(orders(empty_share=None, world_size=1), st.integers(0, 9))
def test_images_come_as_often_as_their_factors_say(order, epoch):
    counts = np.bincount(np.concatenate(order.batches(epoch)), minlength=order.images)
    factors = np.ones(order.images) if order.repeats is None else order.repeats
    assert (counts >= np.floor(factors)).all()
    assert (counts <= np.ceil(factors)).all()


def test_a_factor_between_whole_numbers_is_met_over_the_epochs():
    order = Order(images=3, batch_size=2, seed=0, repeats=np.array([1.0, 1.3, 2.8]))
    counts = Counter(int(i) for e in range(1000) for b in order.batches(e) for i in b)
    assert counts[0] == 1000
    assert [counts[1], counts[2]] == pytest.approx([1300, 2800], abs=60)  # four deviations


@given(orders(), st.integers(0, 9))
def test_groups_do_not_mix(order, epoch):
    groups = np.zeros(order.images) if order.groups is None else order.groups
    for batch in order.batches(epoch):
        assert len(set(groups[batch])) == 1


@given(orders(world_size=1, repeats=None), st.integers(0, 9))
def test_only_the_last_batch_of_a_group_is_small(order, epoch):
    small = [batch for batch in order.batches(epoch) if len(batch) < order.batch_size]
    assert len(small) <= (1 if order.groups is None else 2)


@given(orders(), st.integers(0, 9))
def test_all_processes_have_the_same_number_of_batches(order, epoch):
    shares = [process.batches(epoch) for process in ranks(order)]
    assert len({len(share) for share in shares}) == 1
    assert shares[0]
    fields = {name: getattr(order, name) for name in order.__dataclass_fields__}
    whole = Order(**{**fields, "world_size": 1}).batches(epoch)
    merged = [batch for round_ in zip(*shares, strict=True) for batch in round_]
    assert len(whole) <= len(merged) < len(whole) + order.world_size
    for i, batch in enumerate(merged):  # the first ones come again
        assert np.array_equal(batch, whole[i % len(whole)])


@given(orders(), st.integers(0, 9))
def test_the_same_seed_and_epoch_give_the_same_batches(order, epoch):
    for one, again in zip(order.batches(epoch), order.batches(epoch), strict=True):
        assert one.dtype == np.int64
        assert np.array_equal(one, again)


def test_epochs_and_seeds_differ():
    orders_of = {
        tuple(np.concatenate(Order(images=50, batch_size=4, seed=seed).batches(epoch)))
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(orders_of) == 9


@given(orders(world_size=1), st.integers(0, 9))
def test_images_without_objects_have_at_most_their_share(order, epoch):
    rows = np.concatenate(order.batches(epoch))
    if order.empty is None or order.empty_share is None or order.empty.all():
        assert set(rows) == set(range(order.images))
        return
    assert set(rows) >= set(np.flatnonzero(~order.empty))
    kept, most = np.count_nonzero(order.empty[rows]), order.empty_share
    assert kept <= most * len(rows) + 1e-6
    if order.repeats is None and kept < np.count_nonzero(order.empty):  # not one more would fit
        assert kept + 1 > most * (len(rows) + 1) - 1e-6


def test_a_dataset_of_images_without_objects_is_not_empty():
    order = Order(images=3, batch_size=2, seed=0, empty=np.ones(3, bool), empty_share=0.1)
    assert sorted(np.concatenate(order.batches(0))) == [0, 1, 2]


def test_other_images_without_objects_come_each_epoch():
    empty = np.arange(100) >= 20
    order = Order(images=100, batch_size=5, seed=0, empty=empty, empty_share=0.2)
    kept = [{int(i) for b in order.batches(epoch) for i in b if empty[i]} for epoch in range(100)]
    assert {len(rows) for rows in kept} == {5}
    assert set.union(*kept) == set(range(20, 100))


def test_images_of_rare_classes_come_more_often():
    images = [[1], [1, 1], [1, 2], {1}, (), [1], [1], [1], [1], [1]]
    factors = repeat_factors(images, threshold=0.4)
    assert factors.dtype == np.float64
    assert factors == pytest.approx([1, 1, 2, 1, 1, 1, 1, 1, 1, 1])  # sqrt(0.4 / 0.1)
    assert repeat_factors([[1], [2]], threshold=0.001).tolist() == [1, 1]
    assert repeat_factors([[], []], threshold=0.5).tolist() == [1, 1]


def test_photos_with_masks_are_repeated_to_their_share():
    chosen = np.array([True] * 10 + [False] * 90)
    repeats = raise_share(np.ones(100), chosen, 1 / 3)
    assert repeats[chosen].sum() == pytest.approx(45) and (repeats[~chosen] == 1).all()
    assert (raise_share(np.ones(100), chosen, 0.1) == 1).all()
    assert (raise_share(np.ones(100), ~chosen & chosen, 0.5) == 1).all()
    order = Order(images=100, batch_size=5, seed=0, repeats=repeats, groups=chosen)
    batches = order.batches(0)
    assert {len({bool(chosen[i]) for i in batch}) for batch in batches} == {1}
    assert sum(chosen[batch[0]] for batch in batches) / len(batches) == pytest.approx(
        1 / 3, abs=0.03
    )
