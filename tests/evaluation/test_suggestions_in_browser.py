"""The review of label errors in a browser, without network: keys, and the corrected dataset."""

import copy
import json

import pytest
from browser import axe_violations, fresh_page, open_file, wider_than_screen
from labelled_squares import with_errors, write_squares
from pycocotools.coco import COCO

import instseg
from instseg.evaluation import suggestions


@pytest.fixture(scope="module")
def dataset():
    document, results, wrong = with_errors()
    document["info"] = {"description": "squares <b>", "year": 2020}
    document["licenses"] = [{"id": 1, "name": "CC BY"}]
    document["annotations"][5]["attributes"] = {"note": "kept", "values": [1, 2.5, None]}
    return document, results, wrong


def write(folder, dataset):
    document, results, _ = dataset
    path = write_squares(folder, document)
    instseg.evaluate(
        path,
        folder / "photos",
        results=results,
        label_errors=True,
        report=True,
        out=folder / "out",
        plots=False,
        resamples=100,
    )
    return folder / "out" / "report.html"


@pytest.fixture(scope="module")
def report(dataset, tmp_path_factory):
    return write(tmp_path_factory.mktemp("labels"), dataset)


def review(page, report):
    open_file(page, report)
    page.get_by_role("button", name="Review").click()


def save(page, folder):
    if page.get_by_role("button", name="Close").is_visible():
        page.keyboard.press("Escape")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the corrected dataset").click()
    path = folder / "corrected.json"
    download.value.save_as(path)
    assert download.value.suggested_filename == "corrected.json"
    return path


def progress(page):
    return page.locator("#suggestions-progress").inner_text()


def accept_first_four(page, kinds):
    """Accept the first suggestion of these kinds, refuse those of others."""
    for _ in range(4):
        kind = page.locator("#suggestion-kind").inner_text()
        page.keyboard.press("a" if kind in kinds else "r")


def test_accepted_changes_are_in_the_corrected_dataset_and_no_others(
    page, report, dataset, tmp_path
):
    document, _, wrong = dataset
    review(page, report)
    accept_first_four(page, {"missing", "spurious", "wrong class", "badly placed"})
    assert ": 4 accepted, 0 refused" in progress(page)
    path = save(page, tmp_path)
    found = json.loads(path.read_text())
    assert {k: v for k, v in found.items() if k != "annotations"} == {
        k: v for k, v in document.items() if k != "annotations"
    }
    expected = copy.deepcopy(document["annotations"])
    by_id = {each["id"]: each for each in found["annotations"]}
    new = set(by_id) - {each["id"] for each in expected}
    assert new == {1001}
    added = by_id.pop(1001)
    assert (added["image_id"], added["category_id"]) == (2, 7)
    assert added["bbox"] == pytest.approx([60, 10, 30, 30], abs=2)
    assert wrong["spurious"] not in by_id
    renamed, moved = by_id.pop(wrong["wrong class"]), by_id.pop(wrong["badly placed"])
    old = {each["id"]: each for each in expected}
    assert renamed == {**old.pop(wrong["wrong class"]), "category_id": 7}
    before = old.pop(wrong["badly placed"])
    changed = {key for key in before if before[key] != moved[key]}
    assert changed <= {"segmentation", "bbox", "area"} and moved.keys() == before.keys()
    assert moved["bbox"] == pytest.approx([60, 10, 30, 30], abs=2)
    del old[wrong["spurious"]]
    assert by_id == old

    data = instseg.CocoData.read(path, report.parent.parent / "photos")
    assert len(data.dataset.annotations) == len(document["annotations"])
    coco = COCO(str(path))
    mask = coco.annToMask(coco.loadAnns([1001])[0])
    assert mask.sum() == added["area"]
    again = instseg.evaluate(path, results=dataset[1], label_errors=True, resamples=100)
    assert not [each for each in again.label_errors if each.score > 0.5]


def test_refused_changes_are_not_made(page, report, dataset, tmp_path):
    document, _, wrong = dataset
    review(page, report)
    accept_first_four(page, {"spurious"})
    assert ": 1 accepted, 3 refused" in progress(page)
    found = json.loads(save(page, tmp_path).read_text())
    kept = [each for each in document["annotations"] if each["id"] != wrong["spurious"]]
    assert found["annotations"] == kept


def test_a_decision_is_taken_back_and_others_are_looked_at(page, report):
    review(page, report)
    number = page.locator("#suggestion-number")
    first = page.locator("#suggestion-text").inner_text()
    assert number.inner_text().startswith("1 of")
    assert page.locator("#gallery-picture path.suggested").count() >= 1
    page.keyboard.press("n")
    assert number.inner_text().startswith("2 of")
    page.keyboard.press("p")
    page.get_by_role("button", name="Accept").click()
    assert number.inner_text().startswith("2 of")
    page.keyboard.press("r")
    assert number.inner_text().startswith("3 of")
    page.keyboard.press("u")
    assert number.inner_text().startswith("2 of")
    assert ": 1 accepted, 0 refused" in progress(page)
    page.keyboard.press("p")
    assert page.locator("#suggestion-decision").inner_text() == "accepted"
    assert page.locator("#suggestion-text").inner_text() == first
    page.keyboard.press("u")
    assert page.locator("#suggestion-decision").inner_text() == "not decided"
    assert page.get_by_role("button", name="Undo").is_disabled()
    page.keyboard.press("Escape")
    assert page.get_by_role("button", name="Save the corrected dataset").is_disabled()


def test_decisions_stay_when_the_page_is_opened_again(page, report):
    review(page, report)
    page.keyboard.press("a")
    page.reload()
    assert ": 1 accepted, 0 refused" in progress(page)
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Forget all decisions").click()
    page.reload()
    assert progress(page).startswith("0 of")


def test_it_works_where_the_browser_keeps_nothing(page, report):
    page.add_init_script("Object.defineProperty(window, 'localStorage', {get() { throw 1; }})")
    review(page, report)
    page.keyboard.press("a")
    assert ": 1 accepted, 0 refused" in progress(page)


def test_the_file_of_a_large_dataset_is_chosen(page, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(suggestions, "MOST_DATASET_BYTES", 1000)
    document, _, wrong = dataset
    review(page, write(tmp_path, dataset))
    accept_first_four(page, {"spurious"})
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Save the corrected dataset").click()
    told = page.locator("#suggestions-told")
    assert "choose its file" in told.inner_text()
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**document, "annotations": []}))
    page.get_by_label("Dataset to correct").set_input_files(other)
    told.get_by_text("this is another dataset").wait_for()
    texts = [{**each, "id": str(each["id"])} for each in document["annotations"]]
    (tmp_path / "texts.json").write_text(json.dumps({**document, "annotations": texts}))
    with page.expect_download() as download:
        page.get_by_label("Dataset to correct").set_input_files(tmp_path / "texts.json")
    kept = json.loads(download.value.path().read_text())["annotations"]
    assert kept == [each for each in texts if each["id"] != str(wrong["spurious"])]
    with page.expect_download() as download:
        page.get_by_label("Dataset to correct").set_input_files(tmp_path / "val.json")
    download.value.save_as(tmp_path / "corrected.json")
    found = json.loads((tmp_path / "corrected.json").read_text())
    assert wrong["spurious"] not in [each["id"] for each in found["annotations"]]
    assert len(found["annotations"]) == len(document["annotations"]) - 1


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_everyone_can_review(chromium, report, theme, width):
    size = {"width": width, "height": 800}
    with fresh_page(chromium, bypass_csp=True, color_scheme=theme, viewport=size) as page:
        open_file(page, report)
        assert not wider_than_screen(page)
        assert axe_violations(page) == []
        page.get_by_role("button", name="Review").click()
        page.get_by_role("button", name="Accept").wait_for()
        assert axe_violations(page) == []
