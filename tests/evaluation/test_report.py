"""`evaluate(report=True)`: the page as values, and in a browser."""

import json

import mistaken_results as given
import pytest
from browser import axe_violations, fresh_page, open_file

import instseg
from instseg.core.errors import ArgumentError
from instseg.core.events import Warned, ignore
from instseg.evaluation import report_findings, report_photos
from instseg.evaluation.checked import assess_checked
from instseg.evaluation.report import evaluation_page, photos_of
from instseg.evaluation.report_scores import Measured
from instseg.report.components import Bars, Findings, Gallery, Lines, Matrix, Numbers, Prose, Table
from instseg.report.static import render_static

BETTER = [*given.RESULTS[:5], (given.TWICE, given.CUP, (70, 10, 30, 30), 0.9), *given.RESULTS[6:]]


@pytest.fixture
def coco_json(tmp_path):
    return given.write_truth(tmp_path)


def measure(coco_json, results=None, *, out=None, photos=True, **options):
    folder = out or coco_json.parent / "out"
    results = given.results() if results is None else results
    options |= {"images": coco_json.parent / "photos"} if photos else {}
    return instseg.evaluate(
        coco_json, results=results, out=folder, report=True, plots=False, resamples=100, **options
    )


def page_of(
    coco_json, results=None, against=None, *, photos=True, kinds=("bbox", "segm"), said=ignore
):
    """The page that `evaluate` writes."""
    data = instseg.CocoData.read(coco_json, coco_json.parent / "photos")
    truth = data.document()
    options = {"resamples": 100, "seed": 0, "referee": False, "on_event": ignore}

    def assessed(name, found):
        return assess_checked(truth, found, kinds, name=name, **options)

    results = given.results() if results is None else results
    evaluation = instseg.evaluate(data, results=results, against=against, resamples=100)
    measured = Measured(
        evaluation=evaluation,
        truth=truth,
        found=assessed("new/results.json", results),
        other=assessed("old/results.json", against) if against else None,
    )
    return evaluation, evaluation_page(
        measured, photos_of(measured, data if photos else None, said)
    )


def parts(page, kind):
    return [
        part for section in page.sections for part in section.components if isinstance(part, kind)
    ]


def titled(page, kind, title):
    (found,) = [part for part in parts(page, kind) if title in part.title]
    return found


def gallery_of(page):
    (gallery,) = parts(page, Gallery)
    return {photo.name: photo for photo in gallery.photos}


def test_the_page_has_the_numbers_of_the_evaluation(coco_json):
    found, page = page_of(coco_json)
    numbers = {each.label: each.value for each in parts(page, Numbers)[0].numbers}
    assert numbers["mask AP"] == f"{found.segm.AP:.3f}"
    assert numbers["box AP"] == f"{found.bbox.AP:.3f}"
    table = titled(page, Table, "All scores")
    assert [row[0] for row in table.rows] == list(found.segm.scores)
    assert table.rows[1][2] == found.segm.AP50
    bars = titled(page, Bars, "AP of each class").bars
    assert [bar.label for bar in bars] == ["cup", "dog"]
    assert [bar.value for bar in bars] == sorted((r.AP for r in found.per_class), reverse=True)
    assert [bar.detail for bar in bars] == ["3 objects", "5 objects"]
    costs = {bar.label: bar.value for bar in titled(page, Bars, "type of error").bars}
    assert costs["missed"] == found.segm.errors.costs["missed"]
    assert titled(page, Bars, "type of error").title.endswith("costs, masks and boxes")
    sizes = {bar.label: bar.detail for bar in titled(page, Bars, "by size").bars}
    assert sizes == {"small": "8 objects", "medium": "0 objects", "large": "0 objects"}
    scale = titled(page, Lines, "Calibration").lines[0]
    assert f"ECE {found.segm.calibration.ece:.3f}" in scale.name
    assert len(scale.x) == (found.segm.calibration.counts > 0).sum()


def test_a_finding_says_how_many_classes_it_does_not_name(coco_json, monkeypatch):
    monkeypatch.setattr(report_findings, "EXAMPLES", 1)
    _, page = page_of(coco_json)
    (few,) = [each for each in parts(page, Findings)[0].findings if "fewer than" in each.text]
    assert few.text.startswith("2 of 2 classes")
    assert "</code> and 1 more</p>" in render_static(Findings(findings=[few]), {})


def test_a_cell_of_the_matrix_has_the_photos_that_are_counted_in_it(coco_json):
    _, page = page_of(coco_json)
    matrix = parts(page, Matrix)[0]
    assert (matrix.rows, matrix.columns) == (["cup", "dog", "background"],) * 2
    assert matrix.counts.tolist() == [[2, 0, 1], [1, 3, 1], [0, 3, 0]]
    photos = gallery_of(page).values()
    with_tag = {tag: [p.name for p in photos if tag in p.tags] for p in photos for tag in p.tags}
    assert with_tag["cell:dog:cup"] == ["apart.png"]
    assert with_tag["cell:dog:dog"] == ["twice.png", "crowd.png"]
    assert with_tag["cell:cup:background"] == ["twice.png"]
    assert with_tag["cell:background:dog"] == ["apart.png", "twice.png", "crowd.png"]
    assert with_tag["without mistakes"] == ["empty.png"]


def test_photos_come_with_truth_and_prediction_the_worst_first(coco_json):
    _, page = page_of(coco_json)
    photos = gallery_of(page)
    assert list(photos) == ["apart.png", "twice.png", "crowd.png", "empty.png"]
    assert [photo.values["F1"] for photo in photos.values()] == [0.333, 0.5, 0.857, 1]
    truth, prediction = photos["apart.png"].layers
    assert (truth.name, prediction.name) == ("truth", "prediction")
    assert truth.marks == ["hit", "wrong class", "badly placed"]
    assert truth.keys == [100, 101, 102]
    assert truth.instances.masks.areas().tolist() == [400, 400, 400]
    assert prediction.marks == ["hit", "wrong class", "badly placed"]
    assert prediction.notes == ["IoU 1.00", "IoU 1.00 with dog", "IoU 0.33 with dog"]
    assert prediction.instances.boxes[1].tolist() == [50, 5, 70, 25]
    assert photos["apart.png"].lines == ["1 of 3 objects found, 1 wrong class, 1 badly placed"]
    missed = photos["twice.png"].layers[0]
    assert missed.notes[1] == "found with score 0.20, below the threshold 0.35; IoU 0.88"


def test_crowds_are_objects_with_a_note(coco_json):
    _, page = page_of(coco_json)
    truth, prediction = gallery_of(page)["crowd.png"].layers
    assert (truth.marks, truth.notes[-1], truth.keys) == (
        ["hit"] * 3 + [""],
        "crowd",
        [105, 106, 107, 108],
    )
    assert (
        dict(zip(prediction.marks, prediction.notes, strict=True))[""] == "in a crowd, not counted"
    )


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_results_may_have_boxes_or_masks_only(coco_json, kind):
    boxes = kind == "bbox"
    results = given.results(boxes=boxes, masks=not boxes)
    _, page = page_of(coco_json, results, kinds=(kind,))
    truth, prediction = gallery_of(page)["twice.png"].layers
    assert prediction.instances.boxes[0].tolist() == [10, 10, 40, 40]
    assert prediction.instances.masks.areas().tolist() == ([0, 0] if boxes else [900, 900])
    assert prediction.marks == ["hit", "duplicate"]
    assert truth.instances.masks.areas().tolist() == [900, 900]
    assert titled(page, Bars, "AP of each class").other == {}


def test_a_dataset_of_boxes_has_photos_too(tmp_path):
    document = given.truth()
    for annotation in document["annotations"]:
        annotation["segmentation"] = []
    coco_json = given.write_truth(tmp_path, document)
    _, page = page_of(coco_json, given.results(masks=False), kinds=("bbox",))
    assert gallery_of(page)["apart.png"].layers[0].instances.masks.areas().tolist() == [0, 0, 0]


def test_two_results_are_shown_side_by_side(coco_json):
    found, page = page_of(coco_json, given.results(BETTER), given.results())
    (section,) = [each for each in page.sections if each.title == "Comparison"]
    assert section.components[0].title == "new/results.json minus old/results.json"
    difference = found.comparison["segm"]["AP"].difference
    numbers = {each.label: each.value for each in section.components[0].numbers}
    assert numbers["mask AP"] == f"{difference:+.3f}"
    tables = [part for part in section.components if isinstance(part, Table)]
    assert tables[0].columns[1:3] == ["new/results.json", "old/results.json"]
    assert tables[0].rows[0][1] - tables[0].rows[0][2] == pytest.approx(difference)
    bars = [part for part in section.components if isinstance(part, Bars)]
    assert bars[0].names == ("new/results.json", "old/results.json")
    assert bars[0].other["cup"] < next(b.value for b in bars[0].bars if b.label == "cup")
    photos = gallery_of(page)
    photo = photos["twice.png"]
    assert [layer.name for layer in photo.layers] == ["truth", "prediction", "other prediction"]
    assert [len(layer.instances) for layer in photo.layers] == [2, 3, 2]
    assert photo.values["difference"] == pytest.approx(0.8 - 0.5)
    assert photos["empty.png"].values["difference"] == 0


def test_without_photos_a_line_says_so(coco_json):
    _, page = page_of(coco_json, photos=False)
    assert not parts(page, Gallery)
    assert "photos were not given" in " ".join(parts(page, Prose)[-1].paragraphs)
    assert "Click" not in str(parts(page, Prose))
    found = measure(coco_json, photos=False)
    assert "photos were not given" in found.files[-1].read_text()


def test_photos_that_cannot_be_read_are_named_and_the_rest_is_shown(coco_json):
    folder = coco_json.parent / "photos"
    (folder / "apart.png").unlink()
    (folder / "crowd.png").write_bytes(b"no picture")
    events = []
    found = measure(coco_json, on_event=events.append)
    said = " ".join(event.text for event in events if isinstance(event, Warned))
    assert "apart.png" in said and "crowd.png" in said
    html = found.files[-1].read_text()
    assert "1 of 4 photos are not there: apart.png" in html
    assert "2 of 4 photos cannot be shown" in html


def test_a_photo_of_another_size_keeps_its_instances(coco_json):
    document = given.truth()
    document["images"][0] |= {"height": 100, "width": 100}
    for annotation in document["annotations"][:3]:
        annotation["segmentation"] = [[5, 5, 25, 5, 25, 25, 5, 25]]
    coco_json.write_text(json.dumps(document))
    events = []
    results = [r for r in given.results() if r["image_id"] != given.APART]
    _, page = page_of(coco_json, results, said=events.append)
    photo = gallery_of(page)["apart.png"]
    assert photo.image.shape == (100, 100, 3)
    assert len(photo.layers[0].instances) == 3
    (warned,) = [event.text for event in events if isinstance(event, Warned)]
    assert "120 x 80 pixels" in photo.lines[-1] and "120 x 80 pixels" in warned


def test_of_many_photos_the_worst_median_and_best_are_shown(coco_json, monkeypatch):
    monkeypatch.setattr(report_photos, "MOST_PHOTOS", 3)
    monkeypatch.setattr(report_photos, "EACH", 1)
    _, page = page_of(coco_json)
    tags = {name: photo.tags[0] for name, photo in gallery_of(page).items()}
    assert tags == {"apart.png": "worst", "twice.png": "median", "empty.png": "best"}
    assert "3 of 4 photos" in " ".join(parts(page, Prose)[-1].paragraphs)


def test_it_points_to_what_costs_most(coco_json):
    _, page = page_of(coco_json)
    (findings,) = parts(page, Findings)
    texts = [finding.text for finding in findings.findings]
    assert any("AP50 would be" in text for text in texts)
    assert any("2 of 2 classes have fewer than 10 objects" in text for text in texts)


def test_it_is_one_of_the_files(coco_json, tmp_path):
    found = measure(coco_json, out=tmp_path / "new")
    assert found.files[-1] == tmp_path / "new" / "report.html"
    assert (tmp_path / "new" / "report.html").read_text().startswith("<!doctype html>")


def test_it_needs_a_folder(coco_json):
    with pytest.raises(ArgumentError, match="report needs out"):
        instseg.evaluate(coco_json, results=given.results(), report=True)


def test_the_real_results_have_a_report(coco_dir, tmp_path):
    golden = coco_dir / "golden"
    found = instseg.evaluate(
        golden / "instances_val2014_100.json",
        results=golden / "instances_val2014_fakesegm100_results.json",
        against=golden / "instances_val2014_fakesegm100_results.json",
        out=tmp_path,
        plots=False,
        report=True,
        resamples=100,
    )
    html = found.files[-1].read_text()
    assert f"{found.segm.AP:.3f}" in html and "no difference" in html


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    coco_json = given.write_truth(tmp_path_factory.mktemp("report"))
    return measure(coco_json, given.results(BETTER), against=given.results()).files[-1]


def expect(something):
    from playwright.sync_api import expect  # which the fixtures have found

    return expect(something)


def names_in(page):
    return page.locator("#gallery-list .gallery-item-name")


def test_a_click_on_a_cell_shows_its_photos(page, report):
    open_file(page, report)
    page.locator("[data-show='cell:dog:cup']").first.click()
    expect(names_in(page)).to_have_text(["apart.png"])


def test_photos_are_sorted_by_what_changed(page, report):
    open_file(page, report)
    expect(names_in(page).last).to_have_text("empty.png")
    page.get_by_label("Sort by").select_option(label="difference")
    expect(names_in(page).first).to_have_text("twice.png")


def test_keys_switch_truth_and_prediction(page, report):
    open_file(page, report)
    page.locator("#gallery-list a", has_text="apart.png").click()
    expect(page.locator("#gallery-objects tbody tr")).to_have_count(9)
    shapes = page.locator("#gallery-picture .gallery-shapes path:not(.off)")
    expect(shapes).to_have_count(9)
    page.keyboard.press("t")
    expect(shapes).to_have_count(6)
    page.keyboard.press("p")
    expect(shapes).to_have_count(3)
    page.keyboard.press("t")
    expect(shapes).to_have_count(6)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everyone_can_read_it(chromium, report, theme):
    with fresh_page(chromium, bypass_csp=True, color_scheme=theme) as page:
        open_file(page, report)
        assert axe_violations(page) == []
        page.locator("#gallery-list a").first.click()
        page.locator("#gallery-objects tbody tr").first.wait_for()
        assert axe_violations(page) == []
