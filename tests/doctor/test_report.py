"""The report of an examination."""

import numpy as np
import pytest
from browser import axe_violations, fresh_page, open_file
from coco_documents import RECTANGLE, annotation, sound, write_json, write_photos

import instseg
from instseg.core.errors import InputError
from instseg.doctor.report import examination_page
from instseg.report.components import Bars, Findings, Gallery, Numbers


def parts(page, kind):
    return [each for section in page.sections for each in section.components if type(each) is kind]


def page_of(document, folder, tmp_path, **options):
    path = write_json(tmp_path / "data.json", document)
    return examination_page(instseg.examine(path, folder), **options)


@pytest.fixture
def broken():
    document = sound()
    document["annotations"][4]["bbox"] = [60, 40, 500, 10]  # 201, of image 20
    document["annotations"][5]["area"] = 1
    document["images"][2]["width"] = 90
    document["images"].append({"id": 40, "file_name": "gone.png", "height": 60, "width": 80})
    return document


def test_findings_lead_to_their_photos(broken, tmp_path):
    page = page_of(broken, write_photos(tmp_path), tmp_path)
    (findings,) = parts(page, Findings)
    found = {each.text.split(" ")[0]: each for each in findings.findings}
    assert [each.severity for each in findings.findings][:2] == ["error", "error"]
    assert found["photo-missing"].tag == "" and found["photo-missing"].examples == ["gone.png"]
    assert found["box-not-mask"].examples == ["201 in 20.png"]
    assert "--fix" in found["box-not-mask"].mend and "1 of 1 photo" in found["box-not-mask"].mend

    (gallery,) = parts(page, Gallery)
    photos = {photo.name: photo for photo in gallery.photos}
    assert set(photos) == {"10.png", "20.png", "30.png"}
    tags = {tag for photo in photos.values() for tag in photo.tags}
    assert {each.tag for each in findings.findings} - {""} == tags - {"no finding"}


def test_the_objects_concerned_are_a_layer_of_their_own(broken, tmp_path):
    (gallery,) = parts(page_of(broken, write_photos(tmp_path), tmp_path), Gallery)
    photos = {photo.name: photo for photo in gallery.photos}
    concerned, others = photos["20.png"].layers
    assert (concerned.name, others.name) == ("in findings", "others")
    assert concerned.keys == [201, 202] and others.keys == [203, 204]
    assert "box-not-mask" in concerned.notes[0] and "60, 40, 500, 10" in concerned.notes[0]
    assert "stated area 1" in concerned.notes[1] and "crowd" in others.notes[1]
    assert concerned.instances.boxes[0].tolist() == [60, 40, 560, 50]
    assert gallery.class_names == ("BG", "cup", "dog") and gallery.category_ids == (0, 3, 7)
    # nothing can be drawn over a photo of another size
    assert photos["30.png"].layers == ()
    assert "not of its stated size, 90 x 60" in photos["30.png"].lines


def test_few_photos_of_each_finding_are_drawn_at_random(tmp_path):
    document = sound(images=9)
    for row in range(0, len(document["annotations"]), 4):
        document["annotations"][row]["area"] = 1
    write_photos(tmp_path, images=9)

    def names(seed):
        page = page_of(document, tmp_path, tmp_path, photos=3, seed=seed)
        (findings,), (gallery,) = parts(page, Findings), parts(page, Gallery)
        assert "3 of 9 photos in the gallery" in findings.findings[0].mend
        return [photo.name for photo in gallery.photos]

    assert len(names(0)) == 3
    assert names(0) == names(0)
    assert len({tuple(names(seed)) for seed in range(5)}) > 1


def test_damaged_photos_are_left_out_and_equal_names_told_apart(tmp_path):
    document = sound()
    document["images"][1]["file_name"] = "10.png"
    folder = write_photos(tmp_path)
    (folder / "30.png").write_bytes(b"no photo")
    page = page_of(document, folder, tmp_path)
    (gallery,), (findings,) = parts(page, Gallery), parts(page, Findings)
    # the one with the finding comes first
    assert [photo.name for photo in gallery.photos] == ["10.png", "10.png (image 10)"]
    unreadable = [each for each in findings.findings if each.text.startswith("photo-unreadable")]
    assert [(each.tag, each.examples) for each in unreadable] == [("", ["30.png"])]


def test_annotations_of_the_stored_photo_lie_over_the_stored_pixels(tmp_path):
    from PIL import Image

    document = sound(images=1)
    pixels = np.zeros((80, 60, 3), np.uint8)
    pixels[:10] = 255  # upright, the top is white
    exif = Image.Exif()
    exif[274] = 6  # turn by 90 degrees to see it upright
    Image.fromarray(np.rot90(pixels)).save(tmp_path / "10.jpg", exif=exif)
    document["images"][0]["file_name"] = "10.jpg"
    (gallery,) = parts(page_of(document, tmp_path, tmp_path), Gallery)
    (photo,) = gallery.photos
    assert photo.image.shape == (60, 80, 3) and "size-exif" in photo.tags
    assert len(photo.layers) == 1 and len(photo.layers[0].instances) == 4


def test_a_class_finding_shows_objects_of_the_class(tmp_path):
    document = sound(images=1)
    document["categories"].append({"id": 9, "name": "moon"})
    (gallery,) = parts(page_of(document, write_photos(tmp_path, 1), tmp_path), Gallery)
    (photo,) = gallery.photos
    assert photo.tags == ["class-few"]  # cup and dog
    assert [layer.name for layer in photo.layers] == ["in findings"]


def test_statistics(broken, tmp_path):
    page = page_of(broken, None, tmp_path)
    assert not parts(page, Gallery)
    (numbers,), (classes, sizes) = parts(page, Numbers), parts(page, Bars)
    values = {each.label: each.value for each in numbers.numbers}
    assert values["images"] == "4" and values["objects"] == "9" and values["classes"] == "2"
    assert {bar.label: bar.value for bar in classes.bars} == {"dog": 6, "cup": 3}
    assert [bar.label for bar in sizes.bars] == ["small", "medium", "large"]


def test_a_sound_dataset_is_said_to_be_sound(tmp_path):
    document = sound(images=20)
    for row in range(0, len(document["annotations"]), 4):
        image_id = document["annotations"][row]["image_id"]
        square = [70, 40, 78, 40, 78, 48, 70, 48]
        document["annotations"].append(
            annotation(10_000 + row, image_id, 3, [square], [70, 40, 8, 8], 64)
        )
    page = page_of(document, write_photos(tmp_path, images=20), tmp_path)
    (gallery,) = parts(page, Gallery)
    photos = list(gallery.photos)
    assert not parts(page, Findings)
    assert len(photos) == 12 and {tuple(photo.tags) for photo in photos} == {("no finding",)}


def test_a_document_that_is_no_dataset(tmp_path):
    page = page_of({"shapes": [RECTANGLE]}, None, tmp_path)
    (findings,) = parts(page, Findings)
    assert findings.findings[0].text.startswith("not-coco")


def test_the_report_must_be_a_html_file(tmp_path):
    path = write_json(tmp_path / "data.json", sound())
    with pytest.raises(InputError, match=r"name a \.html file"):
        instseg.examine(path, report=tmp_path / "report.json")


def test_a_finding_leads_to_its_photos_in_a_browser(broken, chromium, tmp_path):
    path = write_json(tmp_path / "data.json", broken)
    seen = instseg.examine(path, write_photos(tmp_path), report=tmp_path / "report.html")
    assert seen.report == tmp_path / "report.html"
    with fresh_page(chromium, bypass_csp=True) as page:
        open_file(page, tmp_path / "report.html")
        finding = page.locator(".finding", has_text="box-not-mask")
        gallery = page.locator("#gallery")
        finding.get_by_role("link", name="Show 1 photo").click()
        gallery.get_by_text("20.png").first.wait_for()
        assert gallery.get_by_text("10.png").count() == 0
        assert axe_violations(page) == []
