"""The gallery in a real browser, opened as a file and without a network."""

import csv
import io
import json

import numpy as np
import pytest
from browser import axe_violations, fresh_page, open_file, wider_than_screen
from gallery_pages import CATEGORIES, EVIL_NAME, boxes_at, pixels, three_photos, write_gallery

from instseg.core.instances import Masks
from instseg.files.results import coco_annotations
from instseg.report.components import Layer, Photo


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "a report #1.html"
    return write_gallery(path, three_photos(), unit_per_px=0.5, unit="mm").html


def names(page):
    return page.locator(".gallery-item-name").all_inner_texts()


def says(page, text):
    """Wait until the line above the thumbnails is this."""
    page.get_by_text(text, exact=True).wait_for()


def paths(page):
    return page.locator(".gallery-shapes path:not(.off)").count()


def escape(page):
    """Back to all photos, and wait until the page is done with it: it then moves the focus."""
    page.keyboard.press("Escape")
    page.locator("#gallery-filters-home #gallery-filters").wait_for(state="attached")


def slide(page, value):
    page.get_by_label("Minimum score").fill(str(value))


def opened(page, report, number=1):
    open_file(page, report)
    page.goto(f"{page.url}#photo-{number}")
    page.locator("#gallery-picture image").wait_for()


def test_thumbnails_with_outlines(page, report):
    open_file(page, report)
    says(page, "3 photos, 4 objects")
    assert names(page) == [EVIL_NAME, "a.jpg", "b.jpg"]
    assert page.locator(".gallery-thumbnail path").count() == 1 + 0 + 2  # one for each class
    sizes = "all => all.map(each => [each.naturalWidth, each.naturalHeight])"
    loaded = "all => Promise.all(all.map(each => each.decode()))"
    page.locator(".gallery-thumbnail img").evaluate_all(loaded)
    assert page.locator(".gallery-thumbnail img").evaluate_all(sizes) == [[64, 48]] * 3


def test_search_filters_and_order(page, report):
    from playwright.sync_api import expect  # which the fixtures have found

    open_file(page, report)
    page.get_by_label("Search by name").fill("B.J")
    says(page, "1 of 3 photos, 3 objects")
    assert names(page) == ["b.jpg"]
    page.get_by_label("Search by name").fill("")
    page.locator("#gallery-classes-panel summary").click()
    page.get_by_role("checkbox", name="cup").check()
    says(page, "1 of 3 photos, 1 object")
    assert names(page) == [EVIL_NAME]
    page.get_by_role("button", name="Show all classes").click()
    page.get_by_label("Show", exact=True).select_option("worst")
    says(page, "2 of 3 photos, 3 objects")
    page.get_by_label("Show", exact=True).select_option("")
    for key, expected in (
        ("number of objects", ["b.jpg", EVIL_NAME, "a.jpg"]),
        ("best score", ["b.jpg", EVIL_NAME, "a.jpg"]),
        ("total area", ["b.jpg", EVIL_NAME, "a.jpg"]),
        ("AP", [EVIL_NAME, "b.jpg", "a.jpg"]),
        ("class", [EVIL_NAME, "b.jpg", "a.jpg"]),
    ):
        page.get_by_label("Sort by").select_option(key)
        expect(page.locator(".gallery-item-name")).to_have_text(expected)
        assert (key, names(page)) == (key, expected)


def test_the_slider_hides_objects_and_counts_follow(page, report):
    open_file(page, report)
    slide(page, 0.7)
    says(page, "3 photos, 2 objects")
    page.locator("#gallery-classes-panel summary").click()
    counts = page.locator("#gallery-classes .count").all_inner_texts()
    assert sorted(counts) == ["0", "1", "1"]
    page.get_by_role("link", name="b.jpg").click()
    page.get_by_text("3 of 5 objects shown").wait_for()  # two of truth, whose score is 1
    assert paths(page) == 3
    slide(page, 0)
    page.get_by_text("5 of 5 objects shown").wait_for()


def test_a_click_hides_an_object_and_its_row_shows_it_again(page, report):
    opened(page, report)
    dog = page.get_by_role("row", name="dog prediction false positive 0.600")
    dog.hover()
    assert page.locator(".gallery-shapes path.active").count() == 1
    page.locator(".gallery-shapes path.mark-false-positive").click(position={"x": 60, "y": 200})
    page.get_by_text("4 of 5 objects shown").wait_for()
    assert page.locator(".gallery-shapes path.mark-false-positive").is_hidden()
    assert not dog.get_by_role("checkbox").is_checked()
    dog.get_by_role("checkbox").check()
    page.get_by_text("5 of 5 objects shown").wait_for()
    dog.get_by_role("checkbox").uncheck()
    page.get_by_text("4 of 5 objects shown").wait_for()
    page.keyboard.press("a")
    page.get_by_text("5 of 5 objects shown").wait_for()


def test_keys(page, report):
    open_file(page, report)
    page.get_by_role("link", name="a.jpg").focus()
    page.keyboard.press("Enter")
    heading = page.locator("#gallery-name")
    place = page.locator("#gallery-place")
    page.get_by_text("2 of 3").wait_for()
    assert heading.inner_text() == "a.jpg"
    page.keyboard.press("ArrowRight")
    page.get_by_text("3 of 3").wait_for()
    assert heading.inner_text() == "b.jpg" and page.url.endswith("#photo-1")
    page.keyboard.press("ArrowRight")
    assert place.inner_text() == "3 of 3"
    page.get_by_text("5 of 5 objects shown").wait_for()
    page.keyboard.press("t")
    page.get_by_text("3 of 5 objects shown").wait_for()
    page.keyboard.press("p")
    page.get_by_text("0 of 5 objects shown").wait_for()
    page.keyboard.press("t")
    page.keyboard.press("p")
    page.get_by_text("5 of 5 objects shown").wait_for()
    assert page.locator("#gallery-help").is_hidden()
    page.keyboard.press("?")
    assert page.get_by_text("back to all photos").is_visible()
    box = page.locator("#gallery-picture").get_attribute("viewBox")
    page.keyboard.press("+")
    assert page.locator("#gallery-picture").get_attribute("viewBox") != box
    page.keyboard.press("0")
    assert page.locator("#gallery-picture").get_attribute("viewBox") == box
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.get_by_text("1 of 3").wait_for()
    escape(page)
    assert "#" not in page.url.removesuffix("#1.html")
    assert page.evaluate("document.activeElement.textContent").startswith(EVIL_NAME)
    page.go_back()
    page.go_forward()


def test_marks_differ_in_more_than_colour(page, report):
    opened(page, report)
    legend = page.get_by_role("list", name="Marks").get_by_role("listitem").all_inner_texts()
    assert legend == ["hit", "miss", "false positive", "duplicate"]
    dashes = "all => all.map(each => getComputedStyle(each).strokeDasharray)"
    drawn = page.locator("#gallery-legend path").evaluate_all(dashes)
    assert len(set(drawn)) == 4
    labels = page.locator(".gallery-texts text:not(.off)").all_text_contents()
    assert sorted(labels) == [
        "cat 0.90",
        "duplicate: cat 0.30",
        "false positive: dog 0.60",
        "miss: dog",
    ]
    page.keyboard.press("l")
    page.locator(".gallery-texts text:not(.off)").first.wait_for(state="detached")


def test_areas_in_real_units(page, report):
    opened(page, report)
    row = page.get_by_role("row", name="cat truth hit")
    assert "323" in row.inner_text() and "80.75" in row.inner_text()  # 18 x 18 - 1, in mm²
    assert page.get_by_text("32 × 24 mm").is_visible()


def test_wheel_and_drag(page, report):
    opened(page, report)
    picture = page.locator("#gallery-picture")
    area = picture.bounding_box()
    page.mouse.move(area["x"] + area["width"] / 2, area["y"] + area["height"] / 2)
    page.mouse.wheel(0, -600)
    zoomed = [float(each) for each in picture.get_attribute("viewBox").split()]
    assert zoomed[2] < 40
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] / 2 + 50, area["y"] + area["height"] / 2, steps=5)
    page.mouse.up()
    moved = [float(each) for each in picture.get_attribute("viewBox").split()]
    assert moved[0] < zoomed[0] and moved[2:] == zoomed[2:]
    assert page.get_by_text("5 of 5 objects shown").is_visible()  # a drag is no click


def downloaded(page, name):
    with page.expect_download() as download:
        page.get_by_role("button", name=name, exact=True).click()
    return download.value.path().read_bytes().decode("utf-8")


def test_downloads_are_what_is_shown(page, report):
    open_file(page, report)
    photos = three_photos()
    document = json.loads(downloaded(page, "COCO JSON"))
    assert [(each["id"], each["file_name"]) for each in document["images"]] == [
        (photo.image_id, photo.name) for photo in photos
    ]
    assert [each["id"] for each in document["categories"]] == list(CATEGORIES[1:])
    expected = [
        {"image_id": photo.image_id, **annotation}
        for photo in photos[:2]
        for annotation in coco_annotations(photo.layers[-1].instances, CATEGORIES)
    ]
    assert [{**each, "id": 0} for each in document["annotations"]] == [
        {"id": 0, **each} for each in expected
    ]
    masks = Masks.from_rle([each["segmentation"] for each in document["annotations"][:3]]).dense()
    np.testing.assert_array_equal(masks, photos[0].layers[1].instances.masks.dense())

    slide(page, 0.5)
    says(page, "3 photos, 3 objects")
    assert len(json.loads(downloaded(page, "COCO JSON"))["annotations"]) == 3
    rows = list(csv.DictReader(io.StringIO(downloaded(page, "CSV"), newline="")))
    assert [(row["file_name"], row["layer"], row["class"], row["score"]) for row in rows] == [
        (EVIL_NAME, "prediction", "</script><b>cup", "0.75"),
        ("b.jpg", "truth", "cat", "1"),
        ("b.jpg", "truth", "dog", "1"),
        ("b.jpg", "prediction", "cat", "0.9"),
        ("b.jpg", "prediction", "dog", "0.6"),
    ]
    assert rows[4]["note"] == "'=1+1"
    assert [rows[1][name] for name in ("area_px", "area_mm2", "box_x2", "key")] == [
        "323",
        "80.75",
        "20",
        "7",
    ]


def test_a_link_of_a_matrix_shows_its_photos(page, report):
    open_file(page, report)
    page.evaluate(
        "document.dispatchEvent(new CustomEvent('instseg:show', {detail: {tag: 'cell:cat:dog'}}))"
    )
    says(page, "1 of 3 photos, 3 objects")
    assert page.get_by_label("Show", exact=True).input_value() == "cell:cat:dog"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_everyone_can_use_it(chromium, report, theme, width):
    size = {"width": width, "height": 740}
    with fresh_page(chromium, bypass_csp=True, color_scheme=theme, viewport=size) as page:
        open_file(page, report)
        page.locator("#gallery-classes-panel summary").click()
        assert not wider_than_screen(page)
        assert axe_violations(page) == []
        page.get_by_role("link", name="b.jpg").click()
        page.get_by_text("5 of 5 objects shown").wait_for()
        page.keyboard.press("?")
        assert not wider_than_screen(page)
        assert axe_violations(page) == []


def many():
    instances = boxes_at([(2, 2, 20, 20)], [1], [0.5])
    for number in range(420):
        layer = Layer(name="prediction", instances=instances)
        yield Photo(name=f"{number:03d}.png", image=pixels(number), layers=[layer])


def test_data_beside_the_page_come_when_they_are_needed(page, tmp_path):
    open_file(page, write_gallery(tmp_path / "a b#%.html", many()).html)
    says(page, "420 photos, 420 objects")
    assert page.locator("#gallery-list li").count() == 100
    page.get_by_role("button", name="Show more photos").scroll_into_view_if_needed()
    page.locator("#gallery-list li").nth(150).wait_for()
    page.get_by_label("Search by name").fill("419")
    says(page, "1 of 420 photos, 1 object")
    page.get_by_role("link", name="419.png").click()
    page.get_by_text("1 of 1 object shown").wait_for()
    loaded = page.locator("#gallery-picture image").evaluate(
        "each => { const image = new Image(); image.src = each.href.baseVal;"
        " return image.decode().then(() => image.naturalWidth); }"
    )
    assert loaded == 64
    escape(page)
    assert page.locator("#gallery-list a:focus").count() == 1  # the focus is on the thumbnail
    page.get_by_label("Search by name").fill("")
    says(page, "420 photos, 420 objects")
    assert len(json.loads(downloaded(page, "COCO JSON"))["annotations"]) == 420


def test_missing_data_are_told(chromium, tmp_path):
    written = write_gallery(tmp_path / "r.html", many())
    next(path for path in written.files if path.name == "00001.js").unlink()
    context = chromium.new_context()
    page = context.new_page()
    open_file(page, written.html)
    page.get_by_role("link", name="000.png").click()
    page.get_by_text("./r_files/data/00001.js is missing beside this page").wait_for()
    context.close()
