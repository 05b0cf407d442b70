"""CVAT's XML as tasks, projects and jobs export it, of images and of videos."""

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
_COMMON = 'source="manual" occluded="0"'
_CORNERS = "10.00,5.00;40.00,5.00;40.00,25.00;10.00,25.00"
BOX = f'<box label="cup" {_COMMON} xtl="10.00" ytl="5" xbr="40" ybr="25" z_order="0"></box>'
POLYGON = f'<polygon label="dog" {_COMMON} points="{_CORNERS}" z_order="0"></polygon>'
_PLACE = 'left="20" top="10" width="4" height="3"'
MASK = f'<mask label="dog" {_COMMON} rle="1, 2, 3, 6" {_PLACE} z_order="0"></mask>'
LABELS = """<labels>
<label><name>cup</name><color>#fa3253</color><type>any</type><attributes>
<attribute><name>cut</name><mutable>False</mutable><input_type>checkbox</input_type><default_value>false</default_value><values>false</values></attribute>
<attribute><name>age</name><mutable>False</mutable><input_type>number</input_type><default_value>1</default_value><values>1
99
1</values></attribute>
<attribute><name>note</name><mutable>False</mutable><input_type>text</input_type><default_value></default_value><values></values></attribute>
</attributes></label>
<label><name>dog</name><attributes></attributes></label>
</labels>"""


def image(*shapes, name="a.png", number=0, **more):
    fields = "".join(f' {key}="{value}"' for key, value in more.items())
    size = "" if "width" in more else f' width="{WIDTH}" height="{HEIGHT}"'
    return f'<image id="{number}" name="{name}"{fields}{size}>{"".join(shapes)}</image>'


def exported(
    folder, *items, meta=f"<task><id>4</id><size>1</size>{LABELS}</task>", photos=("images/a.png",)
):
    """A task's export: annotations.xml and images/."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in photos:
        write_image(folder / name, np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    (folder / "annotations.xml").write_text(
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n'
        f"  <meta>{meta}<dumped>2024-01-01</dumped></meta>\n{''.join(items)}</annotations>\n"
    )
    return folder


def track(*shapes, number=0, label="cup", **more):
    fields = "".join(f' {key}="{value}"' for key, value in more.items())
    return f'<track id="{number}" label="{label}" source="manual"{fields}>{"".join(shapes)}</track>'


def box_at(frame, left, outside=0, **more):
    fields = "".join(f' {key}="{value}"' for key, value in more.items())
    return (
        f'<box frame="{frame}" keyframe="1" outside="{outside}" occluded="0" xtl="{left}" ytl="5" '
        f'xbr="{left + 10}" ybr="25" z_order="0"{fields}></box>'
    )


def video(size=6, **more):
    inner = "".join(f"<{key}>{value}</{key}>" for key, value in more.items())
    sides = f"<original_size><width>{WIDTH}</width><height>{HEIGHT}</height></original_size>"
    return f"<task><id>5</id><size>{size}</size>{inner}{LABELS}{sides}</task>"


def read(path, **options):
    return read_labels(path, **options)[0]


def by_frame(labels):
    names = {each["id"]: each["file_name"] for each in labels.images}
    return {names[a["image_id"]]: a["bbox"][0] for a in labels.annotations}


def test_real_masks_come_back(coco_dir, tmp_path):
    source = coco_dir / "annotations" / "instances_val2017.json"
    before = read(source)
    after = through(source, "cvat", tmp_path / "out.xml")
    assert_same(before, after)
    assert [c["name"] for c in after.categories] == [c["name"] for c in before.categories]


def test_all_that_cvat_holds_comes_back(tmp_path):
    document = sound()
    kept = {
        "score": 0.875,
        "track_id": 7,
        "attributes": {
            "occluded": True,
            "z_order": 3,
            "cut": False,
            "age": 5,
            "weight": 2.5,
            "note": 'a < b & "c"\nd',
        },
    }
    document["annotations"][0] |= kept
    document["annotations"][1]["segmentation"] = []
    document["images"][0]["file_name"] = '10 <&".png'
    (tmp_path / "a.json").write_text(json.dumps(document))
    before = read(tmp_path / "a.json")
    done = convert(tmp_path / "a.json", tmp_path / "out", to="cvat")
    after = read(done.path)
    assert_same(before, after)
    assert {key: after.annotations[0][key] for key in kept} == kept
    assert after.images[0]["file_name"] == document["images"][0]["file_name"]
    (cup, _) = json.loads((done.path / "labels.json").read_text())
    score = next(each for each in cup["attributes"] if each["name"] == "score")
    assert (score["input_type"], score["values"]) == ("number", ["0", "1", "0.01"])


def test_splits_and_photos_come_back(tmp_path):
    for split in ("train", "val"):
        write_photos(tmp_path / "in" / split)
        (tmp_path / "in" / split / "labels.json").write_text(json.dumps(sound()))
    before = read(tmp_path / "in")
    after = through(tmp_path / "in", "cvat", tmp_path / "out", copy_photos=True)
    assert after.splits == before.splits == ["train", "val"]
    assert after.images[0]["file_name"] == "images/train/10.png"
    assert len(after.annotations) == 18  # without crowds


@pytest.mark.parametrize(
    ("tolerance", "tags"), [(0.0, ["polygon", "mask", "mask"]), (1.0, ["polygon"] * 3 + ["mask"])]
)
def test_polygons_and_masks(tmp_path, tolerance, tags):
    (tmp_path / "a.json").write_text(json.dumps(sound(images=1)))
    out = tmp_path / "out.xml"
    convert(tmp_path / "a.json", out, to="cvat", tolerance=tolerance)
    lines = [
        line for line in out.read_text().splitlines() if line.startswith(("<polygon", "<mask"))
    ]
    assert [line[1:].split(" ")[0] for line in lines] == tags
    assert sum("group_id" in line for line in lines) == (2 if tolerance else 0)


def test_a_box_a_polygon_and_a_mask(tmp_path):
    labels, read_as = read_labels(exported(tmp_path, image(BOX, POLYGON, MASK)))
    assert read_as.name == "cvat"
    box, polygon, mask = labels.annotations
    assert (box["segmentation"], box["bbox"]) == ([], [10, 5, 30, 20])
    assert polygon["segmentation"] == [[10, 5, 40, 5, 40, 25, 10, 25]]
    found = mask_of(mask, (HEIGHT, WIDTH)).dense(0)
    assert found[10:13, 20:24].tolist() == [[0, 1, 1, 0], [0, 0, 1, 1], [1, 1, 1, 1]]
    assert found.sum() == 8
    assert labels.photos == tmp_path
    assert labels.images[0]["file_name"] == "images/a.png"
    assert labels.class_names() == {1: "cup", 2: "dog"}
    assert not labels.notes


def test_a_turned_box_and_an_ellipse_are_masks(tmp_path):
    turned = BOX.replace("z_order", 'rotation="90.00" z_order')
    ellipse = '<ellipse label="cup" cx="40" cy="30" rx="20" ry="10" rotation="90"></ellipse>'
    labels = read(exported(tmp_path, image(turned, ellipse)))
    boxes = [np.round(a["bbox"]).tolist() for a in labels.annotations]
    assert boxes == [[15, 0, 20, 30], [30, 10, 20, 40]]
    assert all(a["segmentation"] for a in labels.annotations)
    assert abs(labels.annotations[1]["area"] / (np.pi * 200) - 1) < 0.02


def test_a_group_is_one_object_of_each_label(tmp_path):
    beyond = MASK.replace('left="20"', 'left="39"')
    shapes = [
        each.replace("z_order", 'group_id="2" z_order') for each in (POLYGON, beyond, BOX, BOX)
    ]
    labels = read(exported(tmp_path, image(*shapes), image(shapes[0], name="b.png", number=1)))
    assert [(a["image_id"], a["category_id"]) for a in labels.annotations] == [
        (1, 2),
        (1, 1),
        (2, 2),
    ]
    assert labels.annotations[0]["area"] == 607  # one of the mask's 8 pixels is in the polygon


def test_attributes_have_the_types_of_their_labels(tmp_path):
    values = {"cut": "true", "age": "7", "note": "", "other": "true"}
    inner = "".join(f'<attribute name="{key}">{value}</attribute>' for key, value in values.items())
    shape = BOX.replace("></box>", f">{inner}</box>").replace('occluded="0"', 'occluded="1"')
    (found,) = read(
        exported(tmp_path, image(shape.replace('z_order="0"', 'z_order="2"')))
    ).annotations
    assert found["attributes"] == {
        "cut": True,
        "age": 7,
        "other": "true",
        "occluded": True,
        "z_order": 2,
    }


@pytest.mark.parametrize(
    "meta",
    [
        f"<project><id>1</id><tasks><task><id>4</id></task></tasks>{LABELS}</project>",
        f"<job><id>9</id><size>1</size>{LABELS}</job>",
    ],
    ids=["project", "job"],
)
def test_labels_of_projects_and_jobs(tmp_path, meta):
    labels = read(exported(tmp_path, image(POLYGON), meta=meta))
    assert labels.class_names() == {1: "cup", 2: "dog"}


def test_subsets_are_splits(tmp_path):
    names = {"Train": "images/Train/a.png", "Validation": "images/Validation/a.png"}
    items = [image(BOX, subset=subset, task_id=4) for subset in (*names, "default")]
    labels = read(exported(tmp_path, *items, photos=names.values()))
    assert [each.get("split") for each in labels.images] == ["train", "val", None]
    assert [each["file_name"] for each in labels.images[:2]] == [*names.values()]


def test_folders_of_tasks_are_splits(tmp_path):
    exported(tmp_path / "train", image(BOX))
    exported(tmp_path / "val", image(POLYGON))
    labels = read(tmp_path)
    assert labels.splits == ["train", "val"]
    assert labels.images[1]["file_name"] == "val/images/a.png"


def test_a_label_of_photos_alone_is_no_class(tmp_path):
    meta = "<task><labels><label><name>blurred</name><type>tag</type></label></labels></task>"
    labels = read(exported(tmp_path, image('<tag label="blurred"></tag>', BOX), meta=meta))
    assert labels.class_names() == {1: "cup"}
    assert "tag elements, which are no objects" in labels.notes[0]


def test_a_size_that_is_not_stated_is_that_of_the_photo(tmp_path):
    labels = read(exported(tmp_path, image(BOX, width="", height="")))
    assert (labels.images[0]["width"], labels.images[0]["height"]) == (WIDTH, HEIGHT)
    exported(tmp_path, image(BOX, width="", height="", name="lost.png"))
    with pytest.raises(InputError, match="give their folder as images"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ('<points label="cup" points="1,2;3,4"></points>', "points elements, which are no objects"),
        ('<polyline label="cup" points="1,2;3,4"></polyline>', "polyline elements"),
        ('<skeleton label="cup"><points label="1" points="1,2"/></skeleton>', "skeleton elements"),
        ('<cuboid label="cup" xtl1="1"></cuboid>', "cuboid elements"),
        (BOX.replace("40", "wide"), "box elements whose numbers are missing or wrong"),
        (BOX.replace('xbr="40"', ""), "box elements whose numbers are missing or wrong"),
        (BOX.replace('label="cup"', ""), "without a label"),
        (BOX.replace('"40"', '"nan"'), "not finite"),
        (POLYGON.replace(";40.00,25.00;10.00,25.00", ""), "fewer than 3 points"),
        (POLYGON.replace(",25.00;", ";"), "polygon elements whose numbers"),
        (MASK.replace("3, 6", "3, 5"), "rle does not fit"),
        (MASK.replace("1, 2", "-1, 4"), "rle does not fit"),
        (MASK.replace("1, 2", "one"), "mask elements whose numbers"),
        (MASK.replace('"4"', '"4000000"'), "rle does not fit"),
        (BOX.replace("10.00", "90").replace('"40"', '"95"'), "outside of their photo"),
    ],
)
def test_what_is_no_object_is_left_out_and_told(tmp_path, wrong, words):
    labels = read(exported(tmp_path, image(BOX, wrong, BOX)))
    assert len(labels.annotations) == 2
    assert words in "".join(labels.notes)
    assert "a.png" in labels.notes[0]


def test_a_track_moves_evenly_between_keyframes(tmp_path):
    boxes = [box_at(0, 10), box_at(2, 20), box_at(4, 20, outside=1)]
    labels = read(exported(tmp_path, track(*boxes, number=3), meta=video()))
    assert by_frame(labels) == {
        "frame_000000.PNG": 10,
        "frame_000001.PNG": 15,
        "frame_000002.PNG": 20,
        "frame_000003.PNG": 20,
    }
    assert len(labels.images) == 6
    assert {a["track_id"] for a in labels.annotations} == {3}
    assert labels.photos is None


def test_a_track_stays_until_the_end_unless_it_is_outside(tmp_path):
    shown = track(box_at(4, 10))
    paused = track(box_at(0, 30), box_at(1, 30, outside=1), box_at(3, 40), box_at(4, 50, outside=1))
    labels = read(exported(tmp_path, shown, paused, meta=video()))
    frames = [int(image["file_name"][6:12]) for image in labels.images]
    where = [(frames[a["image_id"] - 1], a["bbox"][0]) for a in labels.annotations]
    assert sorted(where) == [(0, 30), (3, 40), (4, 10), (5, 10)]


def test_polygons_of_a_track_stay_and_turns_go_the_short_way(tmp_path):
    polygon = '<polygon frame="0" keyframe="1" outside="0" points="1,1;9,1;9,9"></polygon>'
    moved = polygon.replace('"0"', '"2"', 1).replace("1,1", "5,5")
    turns = track(box_at(0, 30, rotation=350), box_at(2, 30, rotation=10))
    labels = read(exported(tmp_path, track(polygon, moved), turns, meta=video(3)))
    second = [a for a in labels.annotations if a["image_id"] == 2]
    assert second[0]["segmentation"] == [[1, 1, 9, 1, 9, 9]]
    assert second[1]["bbox"] == [30, 5, 10, 20]  # level between 350 and 10 degrees


def test_frames_have_their_own_step(tmp_path):
    boxes = [box_at(10, 10), box_at(20, 20)]
    meta = video(3, start_frame=10, stop_frame=20, frame_filter="step=5")
    labels = read(exported(tmp_path, track(*boxes), meta=meta))
    assert [*by_frame(labels).values()] == [10, 15, 20]
    assert labels.images[1]["file_name"] == "frame_000015.PNG"


def test_frames_are_found_with_any_suffix(tmp_path):
    photos = [f"images/frame_{n:06d}.jpg" for n in range(2)]
    labels = read(exported(tmp_path, track(box_at(0, 10)), meta=LABELS, photos=photos))
    assert labels.images[0]["file_name"] == photos[0]
    assert labels.images[0]["width"] == WIDTH


def test_a_video_for_images_names_frames_without_suffix(tmp_path):
    exported(tmp_path, image(BOX, name="frame_000000"), photos=["images/frame_000000.PNG"])
    assert read(tmp_path).images[0]["file_name"] == "images/frame_000000.PNG"


def test_endless_videos_are_refused(tmp_path):
    exported(tmp_path, track(box_at(0, 10)), meta=video(999999999))
    with pytest.raises(InputError, match=r"annotations\.xml: says that it has 999,999,999 frames"):
        read(tmp_path)


def test_entities_are_refused(tmp_path):
    exported(tmp_path, image(BOX))
    text = (tmp_path / "annotations.xml").read_text()
    evil = text.replace("<annotations>", '<!DOCTYPE a [<!ENTITY b "c">]><annotations>', 1)
    (tmp_path / "annotations.xml").write_text(evil)
    with pytest.raises(InputError, match=r"annotations\.xml: declares a document type"):
        read(tmp_path)


def test_broken_xml_is_told(tmp_path):
    exported(tmp_path, image(BOX))
    text = (tmp_path / "annotations.xml").read_text()
    (tmp_path / "annotations.xml").write_text(text[:-20])
    with pytest.raises(InputError, match=r"annotations\.xml: not readable as XML.*export it again"):
        read(tmp_path)


def test_names_that_lead_out_stay_inside(tmp_path):
    write_image(tmp_path / "secret.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    labels = read(exported(tmp_path / "in", image(BOX, name="../secret.png")))
    assert labels.images[0]["file_name"] == "secret.png"
    assert labels.photos is None


def test_voc_is_not_taken_for_cvat(tmp_path):
    (tmp_path / "a.xml").write_text("<annotation><filename>a.png</filename></annotation>")
    with pytest.raises(InputError, match="none of the known formats"):
        read(tmp_path)
    with pytest.raises(InputError, match="has no XML file of CVAT"):
        read(tmp_path, from_format="cvat")
