"""A budget of bytes for what a pipeline holds."""

from concurrent.futures import ThreadPoolExecutor

from instseg.system.ahead import WAIT, batched_or_wait, map_ahead, map_or_wait
from instseg.system.budget import MemoryBudget, Need, peak_bytes


def test_each_item_is_in_one_step_at_a_time() -> None:
    needs = [Need(10, (5, 1)), Need(1, (7, 3)), Need(1, (6, 2))]
    assert peak_bytes(needs, (1, 1)) == 12 + 7 + 2
    assert peak_bytes(needs, (2, 1)) == 12 + 7 + 6 + 1
    assert peak_bytes(needs[:1], (2, 2)) == 10 + 5
    assert peak_bytes([], (2, 1)) == 0


def test_items_wait_until_those_before_them_leave_enough() -> None:
    budget = MemoryBudget(100, (1,))
    needs = {"a": Need(30, (20,)), "b": Need(30, (20,)), "c": Need(30, (20,)), "d": Need(500, ())}
    items = budget.admit(needs, needs.__getitem__)
    assert [next(items), next(items), next(items), next(items)] == ["a", "b", WAIT, WAIT]
    budget.release()
    assert next(items) == "c"
    budget.release()
    assert next(items) is WAIT  # the large one enters alone, though it does not fit
    budget.release()
    assert next(items) == "d"
    assert len(budget) == 1
    assert list(items) == []


def test_a_pipeline_holds_no_more_than_its_budget_and_never_stands_still() -> None:
    sizes = [3, 3, 3, 9, 1, 1, 1, 1, 8, 4, 20, 4, 4, 1]
    budget = MemoryBudget(10, (9,))
    batches: list[list[int]] = []

    def network(batch: list[int]) -> list[int]:
        batches.append(batch)
        return batch

    with ThreadPoolExecutor(2) as pool:
        admitted = budget.admit(sizes, lambda size: Need(size, (0,)))
        read = map_or_wait(pool, lambda size: size, admitted)
        looked = map_or_wait(pool, network, batched_or_wait(read, 4), 2)
        flat = (each for batch in looked for each in (batch if batch is not WAIT else [WAIT]))
        drawn = []
        for size in map_ahead(pool, lambda size: size, flat):
            inside = [need.held for need in budget._inside]
            assert len(inside) == 1 or sum(inside) <= 10
            drawn.append(size)
            budget.release()
    assert drawn == sizes
    assert [size for batch in batches for size in batch] == sizes
    assert batches[:2] == [[3, 3, 3], [9, 1]]
