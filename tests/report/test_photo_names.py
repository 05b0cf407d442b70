"""Names of photos in a gallery."""

from instseg.report.photo_names import unique_name


def test_equal_names_are_told_apart():
    files = ["a.jpg", "b.jpg", "a.jpg", "a.jpg"]
    taken = set()
    assert [unique_name(name, str(row), taken) for row, name in enumerate(files)] == [
        "a.jpg",
        "b.jpg",
        "a.jpg (2)",
        "a.jpg (3)",
    ]


def test_a_file_may_have_a_name_that_another_would_get():
    files = ["a.jpg (2)", "a.jpg", "a.jpg"]
    taken = set()
    assert len({unique_name(name, str(row), taken) for row, name in enumerate(files)}) == 3
