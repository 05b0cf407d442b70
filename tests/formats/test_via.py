"""Files of VGG Image Annotator 1 and 2, as the tool saves them, Matterport's balloons included."""

import csv
import json

import numpy as np
import pytest
from coco_documents import sound, write_photos
from round_trip import assert_same, through

from instseg import InputError, convert
from instseg.files.image_writing import write_image
from instseg.formats.convert import read_labels
from instseg.formats.shapes import mask_of

WIDTH, HEIGHT = 80, 60
POLYGON = {
    "name": "polygon",
    "all_points_x": [10, 40, 40, 10],
    "all_points_y": [5, 5, 25, 25],
}
RECT = {"name": "rect", "x": 10, "y": 5, "width": 30, "height": 20}
OUTLINE = [[10, 5, 40, 5, 40, 25, 10, 25]]


def region(shape=POLYGON, **attributes):
    return {"shape_attributes": shape, "region_attributes": attributes}


def entry(*regions, name="a.png", **more):
    return {"filename": name, "size": 21, "regions": list(regions), "file_attributes": {}} | more


def saved(folder, *entries, name="via_region_data.json", project=None, photos=True):
    """Photos, and the annotations of VIA 2; a project with `project`, attributes of regions."""
    folder.mkdir(parents=True, exist_ok=True)
    for each in entries if photos else ():
        write_image(folder / each["filename"], np.full((HEIGHT, WIDTH, 3), 127, np.uint8))
    document = {f"{each['filename']}{each['size']}": each for each in entries}
    if project is not None:
        document = {
            "_via_settings": {"ui": {}, "core": {}, "project": {"name": "p"}},
            "_via_img_metadata": document,
            "_via_attributes": {"region": project, "file": {}},
            "_via_data_format_version": "2.0.10",
        }
    (folder / name).write_text(json.dumps(document))
    return folder


def read(path, **options):
    return read_labels(path, **options)[0]


def names_of(labels):
    names = labels.class_names()
    return [names[each["category_id"]] for each in labels.annotations]


def test_real_masks_come_back(coco_dir, tmp_path):
    source = coco_dir / "annotations" / "instances_val2017.json"
    before = read(source)
    after = through(source, "via", tmp_path / "out")
    assert_same(before, after)
    assert [c["name"] for c in after.categories] == [c["name"] for c in before.categories]


def test_all_that_via_holds_comes_back(tmp_path):
    document = sound()
    kept = {"score": 0.875, "track_id": 7, "attributes": {"cut": True, "age": 5, "note": "old"}}
    document["annotations"][0] |= kept
    document["annotations"][1]["segmentation"] = []
    write_photos(tmp_path / "in")
    (tmp_path / "in" / "a.json").write_text(json.dumps(document))
    before = read(tmp_path / "in" / "a.json")
    done = convert(tmp_path / "in" / "a.json", tmp_path / "out", to="via")
    after = read(done.path)
    assert_same(before, after)
    assert {key: after.annotations[0][key] for key in kept} == kept
    project = json.loads((done.path / "via_project.json").read_text())
    assert project["_via_attributes"]["region"]["class"]["options"] == {"cup": "", "dog": ""}
    size = (tmp_path / "in" / "10.png").stat().st_size
    assert project["_via_image_id_list"][0] == f"10.png{size}"


def test_one_file_needs_no_photos(tmp_path):
    for split in ("train", "val"):
        (tmp_path / "in" / split).mkdir(parents=True)
        (tmp_path / "in" / split / "labels.json").write_text(json.dumps(sound()))
    before = read(tmp_path / "in")
    after = through(tmp_path / "in", "via", tmp_path / "out.json")
    assert after.splits == before.splits == ["train", "val"]
    assert len(after.annotations) == 18  # without crowds
    folders = through(tmp_path / "in", "via", tmp_path / "out")
    assert folders.splits == ["train", "val"]
    assert len(folders.annotations) == 18


def test_the_balloons_of_matterport(tmp_path):
    for split in ("train", "val"):
        folder = saved(tmp_path / split, entry(region(), region()), entry(region(), name="b.jpg"))
        old = json.loads((folder / "via_region_data.json").read_text())
        for each in old.values():
            each |= {"fileref": "", "base64_img_data": ""}
            each["regions"] = {str(n): r for n, r in enumerate(each["regions"])}
        (folder / "via_region_data.json").write_text(json.dumps(old))
    labels, read_as = read_labels(tmp_path)
    assert read_as.name == "via"
    assert labels.splits == ["train", "val"]
    assert labels.photos == tmp_path
    assert [each["file_name"] for each in labels.images[:2]] == ["train/a.png", "train/b.jpg"]
    assert labels.class_names() == {1: "object"}
    assert [each["segmentation"] for each in labels.annotations] == [OUTLINE] * 6
    assert "regions without attributes: read as the class 'object'" in labels.notes[0]


@pytest.mark.parametrize("project", [None, {"class": {"type": "text"}}], ids=["export", "project"])
def test_shapes(tmp_path, project):
    shapes = [
        POLYGON,
        RECT,
        {"name": "circle", "cx": 40, "cy": 30, "r": 10},
        {"name": "ellipse", "cx": 40, "cy": 30, "rx": 20, "ry": 10, "theta": np.pi / 2},
    ]
    labels = read(
        saved(tmp_path, entry(*[region(s, **{"class": "cup"}) for s in shapes]), project=project)
    )
    polygon, box, circle, ellipse = labels.annotations
    assert polygon["segmentation"] == OUTLINE
    assert (box["segmentation"], box["bbox"]) == ([], [10, 5, 30, 20])
    assert abs(circle["area"] / (np.pi * 100) - 1) < 0.02
    assert np.round(ellipse["bbox"]).tolist() == [30, 10, 20, 40]
    assert not labels.notes


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"name": "cup"}, "cup"),
        ({"Label": "cup", "quality": "good"}, "cup"),
        ({"score": 0.5, "species": "cup"}, "cup"),
        ({"class": "cup", "name": "my cup"}, "cup"),
        ({"type": {"cup": True, "dog": False}}, "cup"),
        ({"type": {"dog": True}}, "dog"),
        ({"category": 5}, "5"),
        ({"class": " cup\n"}, "cup"),
    ],
    ids=str,
)
def test_the_attribute_that_is_the_class(tmp_path, attributes, name):
    assert names_of(read(saved(tmp_path, entry(region(**attributes))))) == [name]


def test_of_several_attributes_the_one_with_choices_is_the_class(tmp_path):
    options = {"options": {"1": "cup", "2": "dog"}, "default_options": {}}
    project = {"note": {"type": "text"}, "kind": {"type": "dropdown", **options}}
    labels = read(saved(tmp_path, entry(region(note="old", kind="2")), project=project))
    assert names_of(labels) == ["dog"]
    assert labels.class_names() == {1: "cup", 2: "dog"}
    assert labels.annotations[0]["attributes"] == {"note": "old"}
    assert "'kind' is read as the class" in labels.notes[0]


def test_several_choices_are_told(tmp_path):
    labels = read(saved(tmp_path, entry(region(type={"cup": True, "dog": True}))))
    assert names_of(labels) == ["cup"]
    assert "of which the first is read" in labels.notes[0]


def test_csv(tmp_path):
    saved(tmp_path, entry(), entry(name="b.png"))
    (tmp_path / "via_region_data.json").unlink()
    head = ["filename", "file_size", "file_attributes", "region_count", "region_id"]
    with (tmp_path / "via_export_csv.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([*head, "region_shape_attributes", "region_attributes"])
        for number, shape in enumerate((POLYGON, RECT)):
            row = ["a.png", 21, "{}", 2, number]
            table.writerow([*row, json.dumps(shape), json.dumps({"class": "cup"})])
        table.writerow(["b.png", 21, '"{}"', 0, 0, "{}", "{}"])
    labels = read(tmp_path)
    assert [each["file_name"] for each in labels.images] == ["a.png", "b.png"]
    assert names_of(labels) == ["cup", "cup"]
    assert labels.annotations[0]["segmentation"] == OUTLINE
    with (tmp_path / "via_export_csv.csv").open("a") as file:
        file.write('c.png,21,{broken,1,0,"{}","{}"\n')
    labels = read(tmp_path)
    assert names_of(labels) == ["cup", "cup"]
    assert labels.notes == (
        "lines with a cell that is not JSON, as VIA writes: left out "
        "(1; first: via_export_csv.csv, line 5)",
    )
    lines = (tmp_path / "via_export_csv.csv").read_text().splitlines(keepends=True)
    (tmp_path / "via_export_csv.csv").write_text(lines[0] + lines[-1])
    with pytest.raises(InputError, match=r"not readable as CSV of VIA \(line 2 has a cell"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ([10, 40, 40], "polygons with more numbers for x than for y, or fewer: left out"),
        ([10, 40, 40, ","], "regions with coordinates that are no numbers: left out"),
    ],
)
def test_broken_coordinates_are_told_in_plain_words(tmp_path, x, words):
    broken = region({**POLYGON, "all_points_x": x}, **{"class": "cup"})
    labels = read(saved(tmp_path, entry(broken, region(**{"class": "cup"}))))
    assert len(labels.annotations) == 1
    assert labels.notes == (f"{words} (1; first: a.png)",)


def test_a_polygon_with_bridges_has_parts_and_holes(tmp_path):
    corners = [(10, 10), (40, 10), (40, 40), (10, 40), (10, 10), (20, 20), (30, 20), (30, 30)]
    corners += [(20, 30), (20, 20)]
    x, y = zip(*corners, strict=True)
    shape = {"name": "polygon", "all_points_x": x, "all_points_y": y}
    labels = read(saved(tmp_path, entry(region(shape))))
    mask = mask_of(labels.annotations[0], (HEIGHT, WIDTH)).dense(0)
    assert (mask[15, 15], mask[25, 25], mask.sum()) == (True, False, 800)


def test_photos_without_regions_stay(tmp_path):
    labels = read(saved(tmp_path, entry(), entry(name="b.png", regions={})))
    assert (len(labels.images), labels.annotations) == (2, [])


def test_photos_elsewhere(tmp_path):
    saved(tmp_path / "labels", entry(region(), name="C:\\me\\a.png"), photos=False)
    with pytest.raises(InputError, match=r"labels: none of its photos are found.*folder as images"):
        read(tmp_path / "labels")
    write_image(tmp_path / "photos" / "a.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    labels = read(tmp_path / "labels", images=tmp_path / "photos")
    assert (labels.photos, labels.images[0]["file_name"]) == (tmp_path / "photos", "a.png")


def test_a_photo_that_is_not_there_is_left_out_and_told(tmp_path):
    saved(tmp_path, entry(region()), entry(region(), name="b.png"))
    (tmp_path / "b.png").unlink()
    labels = read(tmp_path)
    assert len(labels.images) == 1
    assert "not found, whose size is needed: left out (1; first: b.png)" in "".join(labels.notes)


def test_a_project_and_its_export_are_not_read_twice(tmp_path):
    saved(tmp_path, entry(region(**{"class": "cup"})))
    saved(tmp_path, entry(region(**{"class": "cup"})), name="via_project.json", project={})
    labels = read(tmp_path)
    assert len(labels.annotations) == 1
    assert "are in a file before" in "".join(labels.notes)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (region({"name": "point", "cx": 1, "cy": 2}, type="cup"), "points and lines"),
        (region(POLYGON | {"name": "polyline"}, type="cup"), "points and lines"),
        (region({"name": "cube"}, type="cup"), "a shape that is not known, 'cube'"),
        (region({}, type="cup"), "a shape that is not known, 'None'"),
        (region(POLYGON | {"all_points_x": [1, 2]}, type="cup"), "left out"),
        (region(POLYGON | {"all_points_x": [1, 2, None, 4]}, type="cup"), "left out"),
        (region({"name": "rect", "x": 1}, type="cup"), "regions that are broken"),
        (region(RECT | {"width": 0}, type="cup"), "without area"),
        (region(RECT | {"x": 200}, type="cup"), "outside of their photo"),
        (region(), "without a value of 'type', the class"),
        (region(type=""), "without a value of 'type'"),
        (region(type={"cup": False}), "without a value of 'type'"),
    ],
)
def test_what_is_no_object_is_left_out_and_told(tmp_path, wrong, words):
    good = region(type="cup")
    labels = read(saved(tmp_path, entry(good, wrong, good)))
    assert len(labels.annotations) == 2
    assert words in "".join(labels.notes)
    assert "a.png" in labels.notes[0]


@pytest.mark.parametrize(
    "content", ["[]", "[1]", '{"a": 1}', "{", '{"_via_img_metadata": {"a": 1}}']
)
def test_another_file_is_told(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match=r"a\.json: "):
        read(tmp_path / "a.json", from_format="via")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"give the \.json file"):
        read(tmp_path / "empty", from_format="via")
