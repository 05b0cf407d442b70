"""`instseg.merge`."""

import json
import shutil

import pytest
from boxed_photos import document, read, write_dataset, write_photo
from PIL import Image

from instseg import CocoData, InputError, convert, merge
from instseg.data.labels import TrainingLabels
from instseg.formats.joined import joined
from instseg.formats.labels import Labels


@pytest.fixture
def sources(tmp_path):
    """Datasets a, of cats and dogs, and b, of cats and owls, each with photos 1.png and 2.png."""
    photos = {"a": [["cat"], ["cat", "dog"]], "b": [["cat", "owl"], []]}
    for place, (name, own) in enumerate(photos.items()):
        for number in (1, 2):
            write_photo(tmp_path / name / "images" / f"{number}.png", 10 * place + number)
        write_dataset(
            tmp_path / name / "labels.json", {f"{n}.png": c for n, c in enumerate(own, 1)}
        )
    return tmp_path / "a" / "labels.json", tmp_path / "b"


def labelled(path):
    return {
        each["file_name"]: each.get("labelled") for each in json.loads(path.read_text())["images"]
    }


def test_classes_are_one_by_name_and_all_photos_are_found(sources, tmp_path):
    done = merge(sources, tmp_path / "out.json")
    found = read(tmp_path)["out"]
    assert found == {
        "a/images/1.png": ["cat"],
        "a/images/2.png": ["cat", "dog"],
        "b/images/1.png": ["cat", "owl"],
        "b/images/2.png": [],
    }
    assert done.objects == {"cat": 3, "dog": 1, "owl": 1}
    assert repr(done) == f"DatasetMerge('{done.path}': 4 images, 5 objects, 3 classes)"
    assert "<td>owl</td><td>1</td>" in done._repr_html_()
    assert done.photos == tmp_path
    data = CocoData.read(done.path, done.photos)
    assert [data.photo(row).shape for row in range(4)] == [(64, 64, 3)] * 4
    content = json.loads(done.path.read_text())
    for section in ("images", "annotations", "categories"):
        ids = [each["id"] for each in content[section]]
        assert len(set(ids)) == len(ids)


def test_photos_know_which_classes_were_looked_for(sources, tmp_path):
    told = []
    done = merge(sources, tmp_path / "out.json", on_event=told.append)
    cats_and = {"a": ["cat", "dog"], "b": ["cat", "owl"]}
    assert labelled(done.path) == {
        f"{name}/images/{n}.png": cats_and[name] for name in "ab" for n in (1, 2)
    }
    assert done.partly_labelled == 4
    training = TrainingLabels(data=CocoData.read(done.path, done.photos))
    assert [set(training.unknown(row)) for row in range(4)] == [{"owl"}] * 2 + [{"dog"}] * 2
    texts = [getattr(event, "text", "") for event in told]
    marked = "so its photos are marked as labelled with its other classes only"
    assert f"{sources[0]}: does not label owl, {marked}" in texts
    assert f"{sources[1]}: does not label dog, {marked}" in texts
    done = merge(sources, tmp_path / "all.json", missing="background", on_event=told.append)
    assert set(labelled(done.path).values()) == {None}
    assert f"{sources[1]}: does not label dog, so its photos count as showing none" in [
        getattr(event, "text", "") for event in told
    ]
    merge(sources, tmp_path / "yolo", to="yolo", on_event=told.append)
    assert (
        "YOLO boxes cannot say which classes a photo is labelled with: write coco, or"
        in " ".join(getattr(event, "text", "") for event in told)
    )


def test_classes_without_objects_are_missed_by_nobody(tmp_path):
    one = write_dataset(tmp_path / "a.json", {"1.jpg": ["cat"]}, ["cat", "things-a"])
    other = write_dataset(tmp_path / "b.json", {"2.jpg": ["cat"]}, ["things-b", "cat"])
    done = merge([one, other], tmp_path / "out.json")
    assert (done.partly_labelled, [*done.objects]) == (0, ["cat", "things-a", "things-b"])


def test_photos_that_say_so_themselves_stay_partly_labelled(tmp_path):
    own = {"1.jpg": ["cat"], "2.jpg": ["dog", "cat"]}
    one = write_dataset(tmp_path / "a.json", own, labelled={"1.jpg": ["Cat"]})
    content = json.loads(one.read_text())
    content["categories"][0]["name"] = "Cat"
    one.write_text(json.dumps(content))
    other = write_dataset(tmp_path / "b.json", {"3.jpg": ["dog", "cat"]})
    done = merge([one, other], tmp_path / "out.json", classes="Cat=cat", missing="background")
    assert labelled(done.path) == {"1.jpg": ["cat"], "2.jpg": None, "3.jpg": None}


@pytest.mark.parametrize("form", ["text", "file", "mapping"])
def test_classes_get_new_names(sources, tmp_path, form):
    names = {"dog": "pet", "cat": "pet", "owl": ""}
    text = [f"{old} = {new}" for old, new in names.items()]
    (tmp_path / "names.txt").write_text("\n".join(text))
    given = {"text": ",".join(text), "file": tmp_path / "names.txt", "mapping": names}[form]
    done = merge(sources, tmp_path / "out.json", classes=given)
    assert done.objects == {"pet": 4}
    assert done.partly_labelled == 0
    assert read(tmp_path)["out"]["a/images/2.png"] == ["pet", "pet"]


def test_names_that_are_nearly_the_same_are_told_and_kept(tmp_path):
    one = write_dataset(tmp_path / "a.json", {"1.jpg": ["traffic light"]})
    other = write_dataset(tmp_path / "b.json", {"2.jpg": ["Traffic Light"]})
    told = []
    done = merge([one, other], tmp_path / "out.json", on_event=told.append)
    assert [*done.objects] == ["traffic light", "Traffic Light"]
    mend = 'to make them one, give classes "traffic light=Traffic Light"'
    assert any(mend in getattr(event, "text", "") for event in told)
    done = merge([one, other], tmp_path / "one.json", classes="traffic light=Traffic Light")
    assert done.objects == {"Traffic Light": 2}


def test_a_photo_of_two_sources_is_kept_once_with_the_first_labels_of_each_class(sources, tmp_path):
    shutil.copy(tmp_path / "a" / "images" / "2.png", tmp_path / "b" / "images" / "1.png")
    told = []
    done = merge(sources, tmp_path / "out.json", on_event=told.append)
    found = read(tmp_path)["out"]
    assert found["a/images/2.png"] == ["cat", "dog", "owl"]  # one cat
    assert sorted(found) == ["a/images/1.png", "a/images/2.png", "b/images/2.png"]
    assert labelled(done.path) == {
        "a/images/1.png": ["cat", "dog"],
        "a/images/2.png": None,
        "b/images/2.png": ["cat", "owl"],
    }
    words = "such as b/images/1.png, which is a/images/2.png: kept once; left out 1 object"
    assert done.kept_once == 1
    assert any(words in getattr(event, "text", "") for event in told)
    assert merge(sources, tmp_path / "twice.json", copies=False).images == 4


def test_two_files_of_the_same_photos(tmp_path):
    write_photo(tmp_path / "images" / "1.png", 1)
    own = write_dataset(tmp_path / "cats.json", {"1.png": ["cat"]})
    more = write_dataset(tmp_path / "dogs.json", {"1.png": ["dog"]})
    for copies in (True, False):
        done = merge([own, more], tmp_path / f"{copies}.json", copies=copies)
        assert read(tmp_path)[f"{copies}"] == {"1.png": ["cat", "dog"]}
        assert (done.kept_once, done.partly_labelled) == (1, 0)


def test_photos_that_look_alike_are_told_and_both_kept(sources, tmp_path):
    with Image.open(tmp_path / "a" / "images" / "1.png") as photo:
        photo.save(tmp_path / "b" / "images" / "2.png", compress_level=1)
        photo.point(lambda value: 0.9 * value + 10).save(tmp_path / "b" / "images" / "2.png")
    told = []
    done = merge(sources, tmp_path / "out.json", on_event=told.append)
    assert done.images == 4
    words = "1 pair of photos of different datasets that look alike, such as a/images/1.png and b/"
    assert any(words in getattr(event, "text", "") for event in told)


def test_photos_that_are_not_there_keep_names_of_their_own(tmp_path):
    one = write_dataset(tmp_path / "x" / "a.json", {"1.jpg": ["cat"]})
    other = write_dataset(tmp_path / "y" / "a.json", {"1.jpg": ["cat"], "2.jpg": []})
    told = []
    done = merge([one, other], tmp_path / "out.json", on_event=told.append)
    assert [*read(tmp_path)["out"]] == ["1.jpg", "y_a/1.jpg", "2.jpg"]
    assert done.photos is None
    assert any("not found to compare" in getattr(event, "text", "") for event in told)
    (tmp_path / "empty").mkdir()
    done = merge([one, other], tmp_path / "empty.json", images=tmp_path / "empty")
    assert [*read(tmp_path)["empty"]] == ["1.jpg", "y_a/1.jpg", "2.jpg"]
    assert done.objects == {"cat": 2}
    write_photo(tmp_path / "y" / "1.jpg", 1)
    merge([one, other], tmp_path / "half.json")  # what is found keeps its name
    assert [*read(tmp_path)["half"]] == ["x_a/1.jpg", "1.jpg", "2.jpg"]


def test_formats_splits_and_folders_of_photos(sources, tmp_path):
    merge(sources, tmp_path / "yolo", to="yolo", copy_photos=True)
    (tmp_path / "photos").mkdir()
    write_photo(tmp_path / "photos" / "3.png", 30)
    third = write_dataset(tmp_path / "c" / "c.json", {"3.png": ["dog"]})
    told = []
    done = merge(
        [tmp_path / "yolo", third],
        tmp_path / "out",
        images=[tmp_path / "yolo", tmp_path / "photos"],
        copy_photos=True,
        on_event=told.append,
    )
    assert len([path for path in (done.path / "images").rglob("*.png") if path.is_file()]) == 5
    assert {name: len(own) for name, own in read(done.path).items()} == {
        "train": 4,
        "annotations": 1,
    }
    assert any(f"{third}: has no splits, unlike others" in getattr(e, "text", "") for e in told)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"classes": "mouse=cat"},
            "classes names mouse, no class of any dataset; they have cat, dog",
        ),
        ({"classes": "cat=a,cat=b"}, "give each class once"),
        ({"classes": "missing.txt"}, "missing.txt"),
        ({"images": ["one"]}, "one folder for all datasets, or a list of one for each"),
    ],
)
def test_what_cannot_be_done_is_one_line(sources, tmp_path, options, words):
    with pytest.raises((InputError, OSError), match=words):
        merge(sources, tmp_path / "out", **options)
    with pytest.raises(InputError, match="two datasets or more"):
        merge(sources[:1], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_lists_of_category_ids_follow_their_classes():
    cats = Labels(document=document({"1.jpg": ["cat"]}))
    fields = {"neg_category_ids": {"2.jpg": [1]}, "not_exhaustive_category_ids": {"2.jpg": [2]}}
    owls = Labels(document=document({"2.jpg": ["owl"]}, ["dog", "owl"], **fields))
    both = joined([cats, owls], ["", ""])
    names = both.class_names()
    image = both.images[1]
    assert [names[number] for number in image["neg_category_ids"]] == ["dog"]
    assert [names[number] for number in image["not_exhaustive_category_ids"]] == ["owl"]


def test_what_people_have_seen_in_their_tool_is_certain(tmp_path):
    write_photo(tmp_path / "1.png", 1)
    content = document({"1.png": ["cat"]})
    content["annotations"][0]["score"] = 0.3
    (tmp_path / "a.json").write_text(json.dumps(content))
    tasks = convert(tmp_path / "a.json", tmp_path / "tasks", to="cvat").path
    other = write_dataset(tmp_path / "b.json", {"2.png": ["cat"]})
    for sources, scores in (((tasks, other), [None]), ((tmp_path / "a.json", other), [0.3])):
        done = merge(sources, tmp_path / f"{scores}.json", images=tmp_path)
        found = json.loads(done.path.read_text())["annotations"]
        assert [each.get("score") for each in found] == [*scores, None]
