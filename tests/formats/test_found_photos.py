import pytest

from instseg.formats.found_photos import find_photos


@pytest.fixture
def root(tmp_path):
    for name in ("a.jpg", "images/b.png", "train/c.jpg", "val/c.jpg", "images/frame_000000.PNG"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path.parent / "outside.jpg").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("a.jpg", "a.jpg"),
        ("b.png", "images/b.png"),
        ("..\\images\\b.png", "images/b.png"),
        ("C:\\Users\\me\\b.png", "images/b.png"),
        ("/home/me/photos/B.PNG", "images/b.png"),
        ("http://localhost:8000/b.png", "images/b.png"),
        ("train/c.jpg", "train/c.jpg"),
        ("frame_000000.png", "images/frame_000000.PNG"),
        ("frame_000000", "images/frame_000000.PNG"),
        ("a.tif", "a.jpg"),
        ("c.jpg", None),
        ("../outside.jpg", None),
        ("", None),
        ("..", None),
    ],
)
def test_photos_are_found_by_their_names(root, name, file):
    assert find_photos(root, [name]).get(name) == file
