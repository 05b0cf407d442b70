import pytest

from instseg.core.errors import InputError
from instseg.core.map_values import parse_values


def test_values_as_text():
    assert parse_values("1=pet, 2=BG ,3=ignore") == {1: "pet", 2: "BG", 3: "ignore"}
    assert parse_values("7=a=b") == {7: "a=b"}
    assert parse_values("#ff0001=pet") == {0xFF0001: "pet"}


@pytest.mark.parametrize("text", ["", "pet", "1=", "1=a,1=b", "-1=a", "x=a", "1=a,", "#ff=a"])
def test_other_text_is_refused(text):
    with pytest.raises(InputError, match="give each value once"):
        parse_values(text)
