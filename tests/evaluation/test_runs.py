"""RLEs that pycocotools must not be given are found."""

import numpy as np
import pytest
from pycocotools import mask

from instseg.core.rle import decode_crop
from instseg.evaluation.runs import runs_fit


def encoded(rng, count):
    """Masks of any size and density, compressed."""
    for _ in range(count):
        dense = rng.random(rng.integers(1, 60, 2)) < rng.random()
        yield mask.encode(np.asfortranarray(dense.astype(np.uint8)))


def test_sound_masks_fit():
    rles = list(encoded(np.random.default_rng(0), 300))
    rles += [{**rle, "counts": rle["counts"].decode()} for rle in rles]
    assert runs_fit(rles).all()
    one = [{"size": [1, 1], "counts": counts} for counts in (b"1", "01", [1], [0, 1])]
    assert runs_fit(one).all() and not len(runs_fit([]))


@pytest.mark.parametrize(
    "counts",
    [
        *("", "52", "ooo", "zz~", "n" * 7, "o" * 30 + "0", "0\x000", "é", "\ud800", b"\xff"),
        *([], [0, 2500], [-5, 10005], [1.0, 9999.0], ["10000"], [[10000]], [2**40], [10**400]),
    ],
)
def test_broken_runs_do_not(counts):
    sound = {"size": [2, 3], "counts": [6]}
    rles = [sound, {"size": [100, 100], "counts": counts}, sound]
    assert runs_fit(rles).tolist() == [True, False, True]


def test_strings_with_random_faults_are_judged_as_the_decoder_judges_them():
    rng = np.random.default_rng(1)
    rles = []
    for rle in encoded(rng, 500):
        counts = bytearray(rle["counts"])
        counts[rng.integers(len(counts))] = rng.integers(48, 112)
        rles.append({**rle, "counts": bytes(counts)})
    for rle, fits in zip(rles, runs_fit(rles), strict=True):
        try:
            decode_crop(rle["counts"], tuple(rle["size"]))
        except ValueError:
            assert not fits  # the decoder also takes runs that end too early
