"""The page on formats lists each of them, and what it does not hold."""

from pathlib import Path

import pytest

from instseg.formats.format import FEATURES
from instseg.formats.registry import NAMES, format_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data.md"


@pytest.mark.parametrize("name", NAMES)
def test_a_format_is_in_the_table(name):
    each = format_of(name)
    assert each.name == name
    lost = "; ".join(f"{FEATURES[feature][0]}: {words}" for feature, words in each.loses.items())
    row = f"| `{name}` | {each.title} | {lost} |".replace("|  |", "| |")
    assert row in PAGE.read_text()
