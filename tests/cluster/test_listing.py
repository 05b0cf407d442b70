"""Photos of a job: names as `infer` gives them, wherever the photos are."""

from pathlib import Path

import pytest

from instseg.cluster.listing import list_photos
from instseg.core.errors import InputError
from instseg.core.events import Notice, ignore
from instseg.files.storage import write_bytes
from instseg.predict.photos import name_photos

NAMES = ["a.jpg", "b/1.png", "b/2.png", "b/.hidden.png", "b/notes.txt"]


@pytest.fixture
def places(tmp_path):
    """The same files in a folder and in a file system of fsspec."""
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    folders = str(tmp_path), f"memory://{tmp_path.name}"
    for folder in folders:
        for name in NAMES:
            write_bytes(f"{folder}/photos/{name}", b"")
    return folders


def listed(inputs, *, recursive=True, on_event=ignore):
    found = list_photos(inputs, recursive=recursive, on_event=on_event)
    return [photo.name for photo in found], [photo.address for photo in found]


@pytest.mark.parametrize("pattern", ["photos", "photos/b", "photos/b/1.png", "photos/*/*.png"])
def test_names_are_those_of_local_photos(places, pattern):
    local, remote = (listed([f"{place}/{pattern}"]) for place in places)
    assert local[0] == remote[0]
    assert [each.removeprefix(places[0]) for each in local[1]] == [
        each.removeprefix(places[1]) for each in remote[1]
    ]
    assert [each.name for each in name_photos(map(Path, local[1]))] == local[0]


def test_a_folder_is_searched_as_deep_as_asked(places):
    told = []
    remote = listed([f"{places[1]}/photos"], recursive=False, on_event=told.append)
    assert remote[0] == ["a.jpg"]
    assert listed([f"{places[1]}/photos"])[0] == ["a.jpg", "b/1.png", "b/2.png"]
    assert told == []
    listed([f"{places[1]}/photos/b"], on_event=told.append)
    text = f"{places[1]}/photos/b: 1 file left out, no images by their names"
    assert told == [Notice(text=text)]


def test_lists_mix_addresses_and_paths(places, tmp_path):
    (tmp_path / "list.txt").write_text(f"# both\nphotos/a.jpg\n{places[1]}/photos/b\n")
    names, addresses = listed([f"@{tmp_path}/list.txt"])
    assert addresses[0] == f"{places[0]}/photos/a.jpg"
    assert addresses[1:] == [f"{places[1]}/photos/b/{n}.png" for n in (1, 2)]
    assert len(set(names)) == 3 and all(
        a.endswith(n) for n, a in zip(names, addresses, strict=True)
    )


def test_names_stay_out_of_folders_of_results(places):
    write_bytes(f"{places[1]}/photos/labels/x.png", b"")
    assert listed([f"{places[1]}/photos"])[0] == [
        f"photos/{name}" for name in ("a.jpg", "b/1.png", "b/2.png", "labels/x.png")
    ]


def test_what_is_not_there_is_told(places):
    for wrong, message in (("none", "no images in this folder"), ("*.gif", "no images match")):
        with pytest.raises(InputError, match=message):
            listed([f"{places[1]}/{wrong}"])
    assert listed([f"{places[1]}/gone.jpg"])[0] == ["gone.jpg"]  # fails when it is read
