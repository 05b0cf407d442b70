"""Pages in a real browser, without any network, for tests of reports."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def browser() -> Iterator[Any]:
    """A Chromium that is on the PATH; the test is skipped where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser on the PATH: {', '.join(NAMES)}")
    with api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found)
        yield launched
        launched.close()


@contextmanager
def fresh_page(launched: Any, **options: Any) -> Iterator[Any]:
    """A page of its own context; fails at the end if it asked for a network or had an error.

    Args:
        launched: Of `browser`.
        options: Of the context, as color_scheme="dark" or viewport={"width": 360, "height": 640}.
    """
    context = launched.new_context(**options)
    context.set_default_timeout(20_000)
    wrong: list[str] = []
    context.set_offline(True)

    def refuse(route: Any) -> None:
        wrong.append(f"asked for {route.request.url}")
        route.abort()

    context.route(lambda url: url.startswith("http"), refuse)
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: said.type in ("error", "warning") and wrong.append(said.text))
    yield page
    context.close()
    assert not wrong


def open_file(page: Any, path: Path) -> None:
    """Open a file as by a double click."""
    page.goto(path.resolve().as_uri())


def axe_violations(page: Any) -> list[str]:
    """What axe finds wrong for people with disabilities, a line each.

    The page needs a context with `bypass_csp=True`, as the report allows no script but its own.
    """
    package = pytest.importorskip("axe_playwright_python", reason="axe is not installed")
    source = Path(package.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
    page.evaluate(source)
    found = page.evaluate("axe.run()")
    return [
        f"{each['id']}: {each['help']}: {node['html'][:200]} {node.get('failureSummary', '')}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


def wider_than_screen(page: Any) -> bool:
    """Whether the page itself scrolls sideways."""
    root = "document.documentElement"
    return bool(page.evaluate(f"{root}.scrollWidth > {root}.clientWidth"))
