"""The reference shows the options of a verb as its arguments."""

import sys
from pathlib import Path

import pytest

SOURCE = '''
from dataclasses import KW_ONLY, dataclass, field
from typing import ClassVar
from instseg.core.options import python_only, renamed, takes

@dataclass(frozen=True)
class Base:
    """Common.

    Args:
        data: The data.
    """

    data: str
    _: KW_ONLY
    size: int = 3
    workers: int = 1
    verb: ClassVar[str]

@dataclass(frozen=True)
class VerbOptions(Base):
    """Options.

    Args:
        size: Its size beside --other-sizes, which
            is told in two lines.
        steps: So many.
        on_event: Told.

    More.
    """

    verb = "verb"
    _: KW_ONLY
    size: int = 4
    steps: int = renamed(5, "old")
    sizes: list[int] = field(default_factory=lambda: [320])
    on_event: object = python_only()

@takes(VerbOptions)
def verb(options: VerbOptions) -> int:
    """Do it.

    Raises:
        ValueError: Never.
    """
    return 0
'''


def test_a_verb_takes_the_fields_of_its_options(tmp_path, monkeypatch):
    griffe = pytest.importorskip("griffe")
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2] / "docs" / "tooling")
    monkeypatch.delitem(sys.modules, "takes", raising=False)
    from takes import TakesOptions

    (tmp_path / "a_package.py").write_text(SOURCE)
    extensions = griffe.load_extensions(TakesOptions())
    package = griffe.load("a_package", search_paths=[tmp_path], extensions=extensions)
    verb = package["verb"]
    assert verb.signature() == (
        "verb(data: str, *, size: int = 4, steps: int = 5, sizes: list[int] = [320], "
        "on_event: object = None, workers: int = 1) -> int"
    )
    words = {
        each.name: each.description
        for section in verb.docstring.parsed
        if section.kind is griffe.DocstringSectionKind.parameters
        for each in section.value
    }
    assert words["data"] == "The data."
    assert words["size"] == "Its size beside `other_sizes`, which\nis told in two lines."
    assert set(words) == {"data", "size", "steps", "on_event"}
    assert verb.docstring.value.endswith("Raises:\n    ValueError: Never.")
