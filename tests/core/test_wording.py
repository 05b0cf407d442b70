"""Numbers, counts and names in sentences."""

from instseg.core.wording import count, interval, number, printable, some, split_names


def test_counts_agree_with_their_nouns():
    assert count(1, "image") == "1 image"
    assert count(2000, "image") == "2,000 images"
    assert count(0, "class") == "0 classes"


def test_numbers_and_intervals():
    assert (number(0.12345), number(0.1, "+"), number(None), number(-1)) == (
        "0.123",
        "+0.100",
        "-",
        "-",
    )
    assert interval((-0.01, 0.5), "+") == "-0.010 to +0.500"
    assert interval(None) == ""


def test_long_lists_and_names_are_cut():
    assert some(["cat", "dog"]) == "cat, dog"
    assert some(list("abcdefgh")) == "a, b, c, d, e, f, ..."
    assert some(["x" * 300]) == "x" * 40


def test_nothing_in_a_name_reaches_the_terminal_as_a_command():
    assert printable("a\nb\x1b[2Jc") == "a b?[2Jc"


def test_names_are_split_at_commas():
    assert split_names("cat, traffic light ,dog") == ["cat", "traffic light", "dog"]
    assert split_names(["a, b"]) == ["a, b"]
    assert split_names(None) is None
