"""A budget of bytes for what a pipeline holds."""

from instseg.system.budget import WAIT, MemoryBudget, Need, predicted


def test_the_work_of_only_as_many_items_as_workers_counts():
    needs = [Need(held=10, working=5), Need(held=1, working=7), Need(held=1, working=6)]
    assert predicted(needs, 1) == 12 + 7
    assert predicted(needs, 2) == 12 + 7 + 6
    assert predicted([], 2) == 0


def test_items_wait_until_those_before_them_leave_enough():
    budget = MemoryBudget(100, workers=1)
    needs = {"a": Need(30, 20), "b": Need(30, 20), "c": Need(30, 20), "large": Need(500, 20)}
    items = budget.admit(needs, needs.__getitem__)
    assert [next(items), next(items), next(items), next(items)] == ["a", "b", WAIT, WAIT]
    budget.release()
    assert next(items) == "c"
    budget.release()
    assert next(items) is WAIT  # the large one enters alone, though it does not fit
    budget.release()
    assert next(items) == "large"
    assert len(budget) == 1
    assert list(items) == []
