"""What long work tells while it runs."""

import copy
import pickle

from instseg.core.events import Progress, download_progress, ignore, told


def test_items_pass_through_and_each_is_told_before_it_is_worked_on():
    events = []
    items = told("ab", events.append, "reading", unit="letters")
    assert [(item, events[-1].done) for item in items] == [("a", 0), ("b", 1)]
    assert events[-1] == Progress(task="reading", done=2, total=2, unit="letters")


def test_the_total_of_an_iterator_is_unknown_unless_it_is_given():
    events = []
    list(told(iter("ab"), events.append, "reading"))
    list(told(iter("ab"), events.append, "reading", total=2))
    list(told([], events.append, "reading"))
    assert [(event.done, event.total) for event in events] == [
        *((0, None), (1, None), (2, None)),
        *((0, 2), (1, 2), (2, 2)),
        (0, 0),
    ]


def test_bytes_of_a_download_whose_size_the_server_may_not_tell():
    events = []
    progress = download_progress(events.append)
    progress(5, 10)
    progress(6, 0)
    assert [(event.done, event.total, event.unit) for event in events] == [
        (5, 10, "bytes"),
        (6, None, "bytes"),
    ]


def test_the_callback_that_does_nothing_is_one_and_the_same_everywhere():
    assert repr(ignore) == "ignore"
    assert pickle.loads(pickle.dumps(ignore)) is copy.deepcopy(ignore) is ignore
