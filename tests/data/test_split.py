"""Splits into training and validation."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instseg.core.errors import InputError
from instseg.data.split import read_split, split, write_split

NAMES = [f"{number:03}.jpg" for number in range(100)]


@given(
    st.lists(st.text(st.characters(), min_size=1), min_size=2, unique=True),
    st.floats(0.01, 0.99),
    st.integers(0, 2**32),
)
def test_every_file_is_on_one_side(names, share, seed):
    parted = split([*names, *names[:2]], share, seed)
    assert sorted(parted.train + parted.val) == sorted(names)
    assert parted.train
    assert parted.val
    assert len(parted.val) in (round(share * len(names)), 1, len(names) - 1)


def test_a_split_depends_on_seed_and_names_alone():
    parted = split(NAMES, 0.2, 7)
    assert len(parted.val) == 20
    assert split(NAMES[::-1], 0.2, 7) == parted
    assert split(NAMES, 0.2, 8).val != parted.val
    grown = split([*NAMES, "a.jpg", "b.jpg"], 0.2, 7)
    assert len(set(parted.val) - set(grown.val)) <= 2


def test_without_validation():
    assert split(NAMES, 0, 0).train == NAMES
    assert split(["a.jpg"], 0, 0).val == []


@pytest.mark.parametrize(("names", "share"), [(["a.jpg"], 0.5), (NAMES, 1), (NAMES, -0.1)])
def test_what_cannot_be_parted_is_refused(names, share):
    with pytest.raises(InputError, match="cannot be split"):
        split(names, share, 0)


def test_a_split_is_read_as_it_was_written(tmp_path):
    names = [*NAMES, "日本/ü.png", "bad-\udcff.png"]
    parted = split(names, 0.25, 3)
    write_split(tmp_path / "new" / "split.json", parted)
    assert read_split(tmp_path / "new" / "split.json", names) == parted


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "not a split"),
        ("{", "not a split"),
        ({"train": ["a"], "val": ["b"]}, "not a split .*seed"),
        ({"seed": 0, "val_share": 0.5, "train": ["a"], "val": ["a", "b"]}, "a is on both sides"),
        ({"seed": 0, "val_share": 0.5, "train": ["a"], "val": []}, "such as b; remove it"),
        ({"seed": 0, "val_share": 0.5, "train": ["a", "c"], "val": ["b"]}, "such as c; remove it"),
    ],
)
def test_other_files_are_refused(tmp_path, content, said):
    path = tmp_path / "split.json"
    if content is not None:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError, match=rf"split\.json: .*{said}"):
        read_split(path, ["a", "b"])
