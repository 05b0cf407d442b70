"""Which files a user means."""

import os
from pathlib import Path

import pytest

from instseg.core.errors import InputError
from instseg.core.events import Event, Notice, Warned
from instseg.files.image_kinds import can_read
from instseg.files.listing import list_images


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """b.jpg, a.PNG, notes.txt, a hidden file and more/c.tif."""
    (tmp_path / "more").mkdir()
    for name in ("b.jpg", "a.PNG", "notes.txt", "._b.jpg", "more/c.tif"):
        (tmp_path / name).touch()
    return tmp_path


def names(paths: list[Path], folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in paths]


def test_folders_globs_and_files_in_order_each_once(photos: Path) -> None:
    assert names(list_images([photos]), photos) == ["a.PNG", "b.jpg"]
    assert names(list_images([photos], recursive=True), photos) == ["a.PNG", "b.jpg", "more/c.tif"]
    assert names(list_images([f"{photos}/*"]), photos) == ["a.PNG", "b.jpg"]
    assert names(list_images([f"{photos}/**/*.tif"]), photos) == ["more/c.tif"]
    given = [photos / "notes.txt", str(photos / "b.jpg"), photos, photos / "missing.jpg"]
    assert names(list_images(given), photos) == ["notes.txt", "b.jpg", "a.PNG", "missing.jpg"]


def test_file_with_brackets_in_its_name_is_no_glob(photos: Path) -> None:
    (photos / "b[1].jpg").touch()
    assert names(list_images([photos / "b[1].jpg"]), photos) == ["b[1].jpg"]


def test_list_file(photos: Path) -> None:
    lines = f"# chosen\n\nb.jpg\r\n  more \n{photos / 'a.PNG'}\nmissing.jpg\n*.jpg\n"
    (photos / "list.txt").write_text("\ufeff" + lines, encoding="utf-8")
    found = names(list_images([f"@{photos}/list.txt"]), photos)
    assert found == ["b.jpg", "more/c.tif", "a.PNG", "missing.jpg"]


def test_inputs_without_an_image_are_refused(photos: Path) -> None:
    (photos / "none").mkdir()
    (photos / "list.txt").write_text("# nothing\n")
    (photos / "binary.txt").write_bytes(b"\xff\xfe\x81")
    for item in ("none", "*.gif", "@list.txt", "@missing.txt", "@binary.txt"):
        where = f"@{photos}/{item[1:]}" if item.startswith("@") else f"{photos}/{item}"
        with pytest.raises(InputError) as caught:
            list_images([where])
        assert str(caught.value).startswith(where.lstrip("@"))
        assert "\n" not in str(caught.value)


def test_rarer_suffixes_and_files_without_one_by_their_content(tmp_path: Path) -> None:
    for name in ("a.jfif", "b.JPE", "c.MPO"):
        (tmp_path / name).touch()
    (tmp_path / "photo").write_bytes(b"\xff\xd8\xff\xe0")
    (tmp_path / "README").write_text("no photo")
    (tmp_path / "notes.txt").touch()
    told: list[Event] = []
    found = list_images([tmp_path], on_event=told.append)
    assert names(found, tmp_path) == ["a.jfif", "b.JPE", "c.MPO", "photo"]
    assert told == [Notice(text=f"{tmp_path}: 2 files are left out, no images by their names")]


def test_videos_of_a_folder_are_told_from_other_files(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.MP4", "c.mov", "notes.txt"):
        (tmp_path / name).touch()
    told: list[Event] = []
    list_images([tmp_path], on_event=told.append)
    assert told == [
        Notice(text=f"{tmp_path}: 2 videos are left out; name each video itself"),
        Notice(text=f"{tmp_path}: 1 file is left out, no images by their names"),
    ]
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(InputError, match="2 videos, no images; name each video itself"):
        list_images([tmp_path])


def test_heic_that_cannot_be_read_is_counted(tmp_path: Path) -> None:
    if can_read("HEIC"):
        pytest.skip("HEIC can be read here")
    for name in ("a.heic", "b.HEIF", "c.jpg"):
        (tmp_path / name).touch()
    told: list[Event] = []
    assert names(list_images([tmp_path], on_event=told.append), tmp_path) == ["c.jpg"]
    (warned,) = told
    assert isinstance(warned, Warned)
    assert "2 files are left out: HEIC photos" in warned.text
    (tmp_path / "c.jpg").unlink()
    with pytest.raises(InputError, match=r"no images in this folder$"):
        list_images([tmp_path])
    (tmp_path / "more").mkdir()
    with pytest.raises(InputError, match="look into its folders too"):
        list_images([tmp_path])


def test_a_pipe_is_no_list(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "list")
    with pytest.raises(InputError, match="is a pipe"):
        list_images([f"@{tmp_path / 'list'}"])


def test_links_to_nothing_are_listed_and_pipes_are_not(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "dangling.jpg").symlink_to("moved.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "dangling").symlink_to("moved")
    os.mkfifo(tmp_path / "pipe.jpg")
    os.mkfifo(tmp_path / "pipe")
    found = names(list_images([tmp_path]), tmp_path)
    assert found == ["a.jpg", "dangling.jpg", "loop.jpg"]
