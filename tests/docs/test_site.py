"""The documentation builds without a warning, and holds what it should."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import instseg
from instseg.cli import VERBS, command_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built site; `make docs` installs what this takes."""
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    found_at = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": found_at, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_public_name_has_its_place(site):
    pages = "".join(page.read_text() for page in (site / "api").glob("*.html"))
    for name in instseg.__all__:
        assert f'id="instseg.{name}"' in pages


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_of_every_command_is_listed(site, verb):
    page = (site / "cli" / f"{verb}.html").read_text()
    for option in command_of(verb)[1].table.values():
        assert f"<dt><code>{option.usage}</code></dt>" in page


def test_pages_load_nothing_from_elsewhere(site):
    for page in site.rglob("*.html"):
        loads = re.findall(
            r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"(https?:[^\"]*)", page.read_text()
        )
        assert not loads
