"""The page about the doctor names every finding."""

import re
from pathlib import Path

from instseg.doctor.rules import RULES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "doctor.md"


def test_every_finding_stands_in_the_table():
    tables = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    named = set(re.findall(r"`([a-z-]+)`", "\n".join(tables)))
    assert RULES.keys() <= named
