"""The report of a comparison."""

from pathlib import Path

import pytest
from browser import axe_violations, fresh_page, open_file
from comparison_files import write_files

from instseg.comparison.compare import CompareOptions, _read, compare
from instseg.comparison.report import comparison_page
from instseg.core.errors import InputError
from instseg.report.components import Bars, Gallery, Lines, Numbers, Prose, Table
from instseg.report.static import render_static

THRESHOLD = 0.3


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    return write_files(tmp_path_factory.mktemp("files"))


def options(files, **others):
    usual = {
        "coco_json": files / "data.json",
        "images": files,
        "weights": str(files / "mask_rcnn.safetensors"),
        "unet": str(files / "unet.safetensors"),
        "score_threshold": THRESHOLD,
        "resamples": 100,
        "speed": False,
        "device": "cpu",
        "precision": "fp32",
    }
    return usual | others


@pytest.fixture(scope="module")
def compared(files, tmp_path_factory):
    """The content of comparison.json, the models, and the page."""
    content = compare(**options(files)).to_dict()
    models, _ = _read(CompareOptions(**options(files)), tmp_path_factory.mktemp("out"))
    return content, models, comparison_page(content, models)


def parts(page, kind):
    return [each for section in page.sections for each in section.components if type(each) is kind]


def test_the_verdict_comes_first(compared):
    content, _, page = compared
    numbers, prose, means = page.sections[0].components
    assert isinstance(numbers, Numbers) and isinstance(prose, Prose) and isinstance(means, Table)
    assert prose.paragraphs[0] == f"{content['verdict'][0]}."
    scores = content["semantic"]["mask_rcnn"]["scores"]
    assert numbers.numbers[0].value == f"{scores['mIoU']:.3f}"
    assert any("moon" in sentence for sentence in prose.paragraphs)  # a class not compared
    assert means.rows[0][2] == pytest.approx(scores["mIoU"], abs=1e-3)


def test_two_bars_for_each_class(compared):
    content, _, page = compared
    (bars,) = parts(page, Bars)
    unet, ours = (
        {row["class"]: row["IoU"] for row in content["semantic"][side]["per_class"]}
        for side in ("unet", "mask_rcnn")
    )
    assert {bar.label for bar in bars.bars} == set(bars.other) == {"background", "cup", "dog"}
    assert bars.names == ("Mask R-CNN", "U-Net")
    assert {bar.label: bar.value for bar in bars.bars}["cup"] == ours["cup"]
    assert bars.other["cup"] == unet["cup"]


def test_numbers_of_tables_can_be_sorted(compared):
    _, _, page = compared
    classes = next(t for t in parts(page, Table) if t.columns[0] == "class")
    assert {row[0] for row in classes.rows} == {"background", "cup", "dog"}
    assert all(type(row[1]) is int and type(row[2]) is float for row in classes.rows)


def test_differences_have_a_sign_as_their_intervals_have(compared):
    content, _, page = compared
    means = page.sections[0].components[2]
    difference = content["semantic"]["difference"]["scores"]["mIoU"]["difference"]
    shown = render_static(means, {})
    assert f">{difference:+.3f}</td>" in shown
    assert f'data-number="{round(difference, 3)}"' in shown


def test_the_curves_have_the_level_of_the_unet(compared):
    content, _, page = compared
    (curves,) = parts(page, Lines)
    assert len(curves.lines) == 4
    level = content["semantic"]["unet"]["scores"]["mIoU"]
    assert set(curves.lines[-1].y) == {level} and curves.lines[-1].name == "U-Net"


def test_photos_show_each_class_of_all_three(compared):
    _, models, page = compared
    (gallery,) = parts(page, Gallery)
    photos = list(gallery.photos)
    assert len(photos) == 5
    assert gallery.class_names == ("BG", "cup", "dog") and gallery.category_ids == [0, 3, 7]
    first = photos[0]
    assert [layer.name for layer in first.layers] == ["truth", "U-Net", "Mask R-CNN"]
    assert first.values["difference"] == pytest.approx(
        first.values["mIoU of Mask R-CNN"] - first.values["mIoU of the U-Net"], abs=1e-3
    )
    assert "Mask R-CNN furthest ahead" in {tag for photo in photos for tag in photo.tags}
    assert "do not count" in first.lines[1]  # a crowd
    truth, labels = first.layers[0].instances, models.truth(models.data.load(0)[1])
    for number, area in zip(truth.class_ids, truth.masks.areas(), strict=True):
        assert area == (labels == number).sum()
    # what the notes say is the IoU of the class on the photo
    ours = first.layers[2]
    for region, note in zip(ours.instances, ours.notes, strict=True):
        mask, true = region.masks.dense(0), labels == region.class_ids[0]
        assert not (mask & (labels == 255)).any()
        assert note == f"IoU {(mask & true).sum() / (mask | true).sum():.2f}"


def test_the_report_needs_a_folder(files):
    with pytest.raises(InputError, match="report needs out"):
        compare(**options(files, report=True))


def test_in_a_browser(files, chromium, tmp_path):
    found = compare(**options(files, report=True, out=tmp_path, pictures=0))
    assert tmp_path / "report.html" in found.written
    with fresh_page(chromium, bypass_csp=True) as page:
        open_file(page, tmp_path / "report.html")
        assert found.verdict[0] in page.locator("main").inner_text()
        page.locator("#gallery").scroll_into_view_if_needed()
        assert page.locator("#gallery").get_by_text("10.png").first.is_visible()
        assert axe_violations(page) == []
