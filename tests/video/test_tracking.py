"""Track ids of drawn videos and of made-up detections."""

import numpy as np
import pytest

from instseg.core.errors import ArgumentError
from instseg.core.instances import Instances
from instseg.core.masks import Masks
from instseg.scenes.moving import FRAME_RATE, draw_video
from instseg.scenes.scene import SceneConfig

pytest.importorskip("trackers")
from instseg.video.tracking import Tracker

SIZE_HW = (120, 160)
NAMES = ("BG", "cat", "dog")
METHODS = ["bytetrack", "ocsort"]


def bars(*places, class_ids=None):
    """Instances at these places x, y: triangles of 20 x 20 px, every second one upside down."""
    shapes = [np.tri(20, dtype=bool), np.tri(20, dtype=bool)[::-1, ::-1]]
    crops = [shapes[i % 2] for i in range(len(places))]
    masks = Masks.from_crops(crops, [(y, x) for x, y in places], SIZE_HW)
    count = len(places)
    return Instances(
        boxes=[[x, y, x + 20, y + 20] for x, y in places],
        class_ids=[1] * count if class_ids is None else class_ids,
        scores=np.full(count, 0.9),
        masks=masks,
        class_names=NAMES,
    )


@pytest.fixture(scope="module")
def video():
    config = SceneConfig(size_hw=(160, 160), objects=(5, 6), seed=3)
    return [(frame.instances, frame.track_ids) for frame in draw_video(50, config)]


def followed(video, **options):
    tracker = Tracker(frame_rate=FRAME_RATE, **options)
    return [tracker.update(found) for found, _ in video]


@pytest.mark.parametrize("method", METHODS)
def test_objects_that_cross_keep_their_ids(method):
    tracker = Tracker(method=method)
    ids = [tracker.update(bars((10 + 4 * t, 40), (110 - 4 * t, 42))) for t in range(25)]
    assert {tuple(each) for each in map(np.ndarray.tolist, ids[4:])} == {(1, 2)}


def test_masks_settle_what_boxes_cannot():
    """Two objects of one box that turn back, rather than pass, where they meet."""

    frames = [bars((30 + min(t, 80 - t), 40), (110 - min(t, 80 - t), 40)) for t in range(81)]
    for masks, end in ((True, [1, 2]), (False, [2, 1])):
        tracker = Tracker(masks=masks)
        ids = [tracker.update(found).tolist() for found in frames]
        assert ids[0] == [-1, -1]
        assert ids[38] == [1, 2]
        assert ids[-1] == end


@pytest.mark.parametrize("method", METHODS)
def test_an_id_never_changes_its_class(method, video):
    tracker = Tracker(method=method)
    for t in range(6):
        ids = tracker.update(bars((20, 20), class_ids=[1 if t < 3 else 2]))
    assert ids.tolist() == [2]
    class_of = {}
    for (found, _), own in zip(video, followed(video, method=method), strict=True):
        for track_id, name in zip(own.tolist(), found.names, strict=True):
            assert track_id < 0 or class_of.setdefault(track_id, name) == name


@pytest.mark.parametrize("method", METHODS)
def test_the_same_frames_give_the_same_ids(method, video):
    first, second = Tracker(method=method), Tracker(method=method)
    for found, _ in video:
        again = second.update(found)  # two at once do not disturb each other
        ids = first.update(found)
        np.testing.assert_array_equal(ids, again)
        assert ids.dtype == np.int64
        known = ids[ids > 0]
        assert len(set(known.tolist())) == len(known)
    assert 1 in {*ids.tolist(), *np.concatenate(followed(video)).tolist()}


@pytest.mark.parametrize("method", METHODS)
def test_true_objects_keep_one_id(method, video):
    """Every object that shows at least 100 px has one id but for the frames that confirm it."""
    owners, own_ids = {}, {}
    for (found, track_ids), ids in zip(video, followed(video, method=method), strict=True):
        large = found.masks.areas() >= 100
        for truth, own in zip(track_ids[large].tolist(), ids[large].tolist(), strict=True):
            if own > 0:
                owners.setdefault(own, set()).add(truth)
                own_ids.setdefault(truth, set()).add(own)
    assert all(len(each) == 1 for each in owners.values())
    assert all(len(each) == 1 for each in own_ids.values())


@pytest.mark.parametrize("method", METHODS)
def test_a_missed_frame_costs_no_id(method):
    tracker = Tracker(method=method)
    ids = [
        tracker.update(bars(*([] if t in (6, 11) else [(10 + 3 * t, 20)]))).tolist()
        for t in range(16)
    ]
    assert ids[5] == ids[7] == ids[12] == ids[15] == [1]
    assert ids[6] == []


def test_low_scores_follow_a_track_but_start_none():
    low = Instances(**{**vars(bars((12, 20))), "scores": [0.2]})
    tracker = Tracker()
    assert [tracker.update(low).tolist() for _ in range(4)] == [[-1]] * 4
    for _ in range(3):
        tracker.update(bars((12, 20)))
    assert tracker.update(low).tolist() == [1]


def test_frames_of_a_varying_rate():
    """An object that was away for longer than the patience, in few frames, is a new one."""
    tracker = Tracker(patience_s=1)
    times = [0.0, 0.1, 0.2, 5.0, 5.1]
    assert [tracker.update(bars((20, 20)), time_s=t).tolist() for t in times] == [
        [-1],
        [1],
        [1],
        [-1],
        [2],
    ]


def test_refuses_wrong_options():
    for wrong in ({"method": "sort"}, {"frame_rate": 0}, {"patience_s": -1}, {"least_score": 2}):
        with pytest.raises(ArgumentError, match=next(iter(wrong))):
            Tracker(**wrong)
