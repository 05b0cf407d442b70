"""A report in a real browser."""

import pytest
from browser import axe_violations, fresh_page, open_file, wider_than_screen
from report_pages import EVIL, page_of_all

from instseg.report.components import Page, Section, Table
from instseg.report.page import write_page


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    page = page_of_all(EVIL)
    rows = [["b", 2.0], ["a", 10.0], ["c", None], *([f"d{i}", 20.0 + i] for i in range(20))]
    table = Table(title="Sorted", columns=["class", "AP"], rows=rows)
    wide = Table(columns=[f"a long heading {i}" for i in range(20)], rows=[["text" * 5] * 20])
    more = Section(title="More", components=[table, wide])
    whole = Page(title=page.title, sections=[*page.sections, more], details=page.details)
    return write_page(tmp_path_factory.mktemp("report") / "report.html", whole).html


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_everyone_can_read_it(chromium, report, theme, width):
    size = {"width": width, "height": 800}
    with fresh_page(chromium, bypass_csp=True, color_scheme=theme, viewport=size) as page:
        open_file(page, report)
        assert not wider_than_screen(page)
        assert axe_violations(page) == []


def test_the_theme_is_chosen_and_kept(page, report):
    def background():
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    open_file(page, report)
    light = background()
    page.get_by_role("button", name="Dark theme").click()
    dark = background()
    assert dark != light
    page.reload()
    assert background() == dark
    page.get_by_role("button", name="Light theme").click()
    assert background() == light


def first_column(page):
    return page.locator("table[data-sortable]").nth(1).locator("tbody th").all_inner_texts()


def test_a_table_is_sorted_by_the_keyboard(page, report):
    open_file(page, report)
    heading = page.get_by_role("columnheader", name="AP").last
    assert heading.get_attribute("aria-sort") is None
    heading.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert (first_column(page)[:2], first_column(page)[-1]) == (["b", "a"], "c")
    page.keyboard.press("Space")
    assert heading.get_attribute("aria-sort") == "descending"
    assert (first_column(page)[:2], first_column(page)[-1]) == (["d19", "d18"], "c")


def test_a_long_table_is_filtered(page, report):
    open_file(page, report)
    page.get_by_role("searchbox", name="Filter rows").fill("d1")
    visible = page.locator("table[data-sortable]").nth(1).locator("tbody tr:visible")
    assert visible.count() == 11
    assert page.get_by_role("status").last.inner_text() == "11 of 23 rows"


def test_the_first_tab_skips_to_the_content(page, report):
    open_file(page, report)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_it_shows_everything_without_a_script(chromium, report):
    with fresh_page(chromium, java_script_enabled=False) as page:
        open_file(page, report)
        assert page.get_by_role("heading", name="Sorted").is_visible()
        assert page.get_by_role("cell", name="10.000").is_visible()
        assert not page.get_by_role("button").count()


def test_names_run_no_script(page, report):
    said = []
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    open_file(page, report)
    assert page.title() == f"About {EVIL}"
    assert page.locator("img").count() == 1  # the picture
    assert said == []
