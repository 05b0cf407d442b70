"""Numbers, counts and lists in words."""

from instseg.core.wording import counted, interval_text, listed, score_text


def test_scores_and_intervals():
    assert [score_text(v) for v in (0.12345, 1, None, -1)] == ["0.123", "1.000", "-", "-"]
    assert score_text(0.5, "+") == "+0.500"
    assert interval_text((0.1, 0.25)) == "0.100 to 0.250"
    assert interval_text((-0.1, 0.25), "+") == "-0.100 to +0.250"
    assert interval_text(None) == interval_text((None, None)) == ""


def test_counts_have_a_plural():
    assert counted(1, "kind of error") == "1 kind of error"
    assert counted(0, "photo") == "0 photos"
    assert counted(2, "class") == "2 classes"
    assert counted(1234, "box") == "1,234 boxes"


def test_lists_are_cut():
    assert listed([]) == ""
    assert listed(["cat", "dog"]) == "cat, dog"
    assert listed(["a", "b", "c"], most=2) == "a, b, ..."
    assert listed(["x" * 100]) == "x" * 40
