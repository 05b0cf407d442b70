import csv
import itertools
import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from stand_in import TINY_CARD, stand_in_model

from instseg.commands.infer import Options, run
from instseg.core.errors import ArgumentError, InputError
from instseg.files.image import read_image
from instseg.models.mask_rcnn import build_detector
from instseg.system.lock import only_run_in

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Three photos in two folders; two share a base name, two differ only by the suffix."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for name in ("a/1.png", "b/1.png", "b/1.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        pixels = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return folder


def config(photos: Path, weights: Path, out: Path, **options) -> Options:
    defaults = {"inputs": [str(photos)], "recursive": True, "device": "cpu"}
    sparing = {"score_threshold": 0.2, "max_detections": 4}
    return Options(weights=str(weights), out=out, **(defaults | sparing | options))


def document(out: Path) -> dict:
    return json.loads((out / "predictions.json").read_text())


def names(out: Path) -> set[str]:
    return {image["file_name"] for image in document(out)["images"]}


def test_writes_an_overlay_of_each_photo_and_a_document(photos, tiny_weights, tmp_path, capsys):
    assert run(config(photos, tiny_weights, tmp_path / "out")) == 0
    out = tmp_path / "out"
    pictures = {path.relative_to(out).as_posix() for path in out.rglob("*.png")}
    assert pictures == {"a/1.png", "b/1.png.png", "b/1.jpg.png"}
    photo, overlay = read_image(photos / "a" / "1.png"), read_image(out / "a" / "1.png")
    assert overlay.shape == photo.shape
    assert (overlay != photo).any()
    assert names(out) == {"a/1.png", "b/1.png", "b/1.jpg"}
    assert len(document(out)["annotations"]) == 12
    assert {each["category_id"] for each in document(out)["annotations"]} <= {17, 18}
    printed = capsys.readouterr()
    assert printed.out.splitlines()[0].split() == ["class", "instances"]
    assert f"{out}: wrote predictions.json, overlays: 12 instances in 3 photos" in printed.out
    assert printed.err == ""


def test_semantic_maps_measurements_and_crops_on_request(photos, tiny_weights, tmp_path):
    wishes = {"overlay": False, "semantic_map": True, "csv": True, "crops": True}
    assert run(config(photos / "a", tiny_weights, tmp_path, **wishes)) == 0
    assert not (tmp_path / "1.png").exists()
    with Image.open(tmp_path / "labels" / "1.png") as labels:
        assert labels.size == (64, 48)
        assert set(np.unique(np.asarray(labels))) <= {0, 1, 2}
    annotations = document(tmp_path)["annotations"]
    with (tmp_path / "instances.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["area_px"]) for row in rows] == [each["area"] for each in annotations]
    crops = sorted((tmp_path / "crops" / "1").iterdir())
    assert [path.name for path in crops] == [
        f"{number:03d}_{row['class']}.png" for number, row in enumerate(rows)
    ]
    with Image.open(crops[0]) as crop:
        assert crop.mode == "RGBA"
        assert np.count_nonzero(np.asarray(crop)[..., 3]) == annotations[0]["area"]


def test_overlays_have_a_colour_for_each_class_or_for_each_instance(photos, tiny_weights, tmp_path):
    shown = {}
    for name, wish in (("default", {}), *((by, {"color_by": by}) for by in ("class", "instance"))):
        assert run(config(photos / "a", tiny_weights, tmp_path / name, **wish)) == 0
        shown[name] = read_image(tmp_path / name / "1.png")
    assert (shown["default"] == shown["class"]).all()
    assert (shown["instance"] != shown["class"]).any()
    documents = [(tmp_path / name / "predictions.json").read_bytes() for name in shown]
    assert documents[0] == documents[1] == documents[2]


@pytest.fixture(scope="module")
def overlapping_weights(tmp_path_factory) -> Path:
    """A model file of four classes that finds overlapping instances of several."""
    path = tmp_path_factory.mktemp("weights") / "overlapping.safetensors"
    stand_in_model(TINY_CARD).save(path)
    return path


def test_the_overlap_rule_of_semantic_maps(photos, overlapping_weights, tmp_path):
    options = {"semantic_map": True, "score_threshold": 0.0, "max_detections": 40}
    rules = {
        "score": {},
        "smallest-on-top": {"overlap_rule": "smallest-on-top"},
        "cups": {"overlap_rule": "class-priority", "class_priority": "cup, dog"},
        "cats": {"overlap_rule": "class-priority", "class_priority": ["cat", "dog"]},
    }
    maps = {}
    for name, rule in rules.items():
        out = tmp_path / name
        assert run(config(photos / "a", overlapping_weights, out, **options, **rule)) == 0
        with Image.open(out / "labels" / "1.png") as image:
            maps[name] = np.array(image)
        names = json.loads((out / "labels" / "classes.json").read_text())
        assert names == {"0": "BG", "1": "cat", "2": "dog", "3": "cup"}
    for one, other in itertools.combinations(maps.values(), 2):
        assert ((one > 0) == (other > 0)).all()
        assert (one != other).any()
    masks = {each["category_id"]: [] for each in document(tmp_path / "cups")["annotations"]}
    for each in document(tmp_path / "cups")["annotations"]:
        masks[each["category_id"]].append(coco_mask.decode(each["segmentation"]) > 0)
    assert ((maps["cups"] == 3) == np.any(masks[47], axis=0)).all()
    assert ((maps["cats"] == 1) == np.any(masks[17], axis=0)).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"overlap_rule": "class-priority"},
            "--overlap-rule class-priority needs --class-priority",
        ),
        ({"overlap_rule": "class-priority", "class_priority": "cow"}, r"got ['cow']"),
        ({"class_priority": "cat"}, "needs --class-priority, and nothing else"),
        ({"semantic_map": False, "class_priority": "cat"}, "--class-priority need --semantic-map"),
        ({"semantic_map": False, "overlap_rule": "smallest-on-top"}, "need --semantic-map"),
    ],
)
def test_semantic_maps_that_cannot_be_are_refused_before_anything_is_found(
    photos, tiny_weights, tmp_path, options, said
):
    with pytest.raises(ArgumentError) as caught:
        run(config(photos, tiny_weights, tmp_path / "out", **{"semantic_map": True, **options}))
    assert said in caught.value.as_options()
    assert not (tmp_path / "out").exists()


def test_more_classes_than_a_semantic_map_holds(photos, tmp_path):
    args = {**TINY_CARD.architecture_args, "num_classes": 256}
    names = ("BG", *(f"class {i}" for i in range(1, 256)))
    card = replace(
        TINY_CARD, architecture_args=args, class_names=names, category_ids=tuple(range(256))
    )
    build_detector(card).save(tmp_path / "many.safetensors")
    with pytest.raises(InputError, match=r"semantic_map: .*at most 254 classes .* got 255"):
        run(config(photos, tmp_path / "many.safetensors", tmp_path / "out", semantic_map=True))
    assert not (tmp_path / "out").exists()


def test_bad_photos_are_listed_and_the_rest_goes_on(photos, tiny_weights, tmp_path, capsys):
    bad = tmp_path / "bad.jpg"
    bad.write_text("no photo")
    inputs = [str(bad), str(photos / "a" / "1.png"), str(tmp_path / "missing.jpg")]
    assert run(config(photos, tiny_weights, tmp_path / "out", inputs=inputs)) == 1
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"instseg: {bad}: not an image")
    assert "missing.jpg: no such file" in lines[1]
    assert "1 photo," in printed.out
    assert "2 photos failed" in printed.out
    assert len(names(tmp_path / "out")) == 1


def test_nothing_readable_is_a_failure(photos, tiny_weights, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    inputs = [str(tmp_path / name) for name in ("broken.jpg", "missing.jpg")]
    assert run(config(photos, tiny_weights, tmp_path / "out", inputs=inputs)) == 2
    assert document(tmp_path / "out")["images"] == []


def test_inputs_that_do_not_exist_start_nothing(photos, tmp_path):
    inputs = [str(tmp_path / name) for name in ("a.jpg", "b.jpg")]
    with pytest.raises(InputError, match=r"a\.jpg: no such file, nor any of the 2; check the name"):
        run(config(photos, "no weights either", tmp_path / "out", inputs=inputs))
    assert not (tmp_path / "out").exists()


def test_image_ids_come_from_a_dataset(photos, tiny_weights, tmp_path, capsys):
    coco_json = tmp_path / "coco.json"
    images = [{"id": 70, "file_name": "a/1.png"}, {"id": 5, "file_name": "elsewhere/1.jpg"}]
    coco_json.write_text(json.dumps({"images": images}))
    assert run(config(photos, tiny_weights, tmp_path / "out", coco_json=coco_json)) == 1
    ids = {image["file_name"]: image["id"] for image in document(tmp_path / "out")["images"]}
    assert ids == {"a/1.png": 70, "b/1.jpg": 5}
    assert "1.png: has no image id in" in capsys.readouterr().err


def test_only_the_classes_asked_for(photos, tiny_weights, tmp_path):
    for classes in ("dog", "cat, dog", ["dog"]):
        run(config(photos, tiny_weights, tmp_path, classes=classes, score_threshold=0.05))
        wanted = {18} if classes != "cat, dog" else {17, 18}
        found = {each["category_id"] for each in document(tmp_path)["annotations"]}
        assert found
        assert found <= wanted


def test_resume_skips_what_is_done(photos, tiny_weights, tmp_path, capsys):
    run(config(photos / "a", tiny_weights, tmp_path, inputs=[str(photos / "a" / "1.png")]))
    (tmp_path / "1.png").unlink()
    assert run(config(photos / "a", tiny_weights, tmp_path, resume=True)) == 0
    assert not (tmp_path / "1.png").exists()
    assert "1 photo done before" in capsys.readouterr().out
    assert len(document(tmp_path)["images"]) == 1


def command(photos: Path, weights: Path, out: Path, *options: str) -> list[str]:
    tool = [sys.executable, str(ROOT / "tools" / "infer.py"), str(photos), "--device", "cpu"]
    return [*tool, "--weights", str(weights), "--out", str(out), "--score-threshold=0", *options]


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def test_stopped_run_leaves_a_document_and_can_be_resumed(tiny_weights, tmp_path, environment):
    many = tmp_path / "many"
    many.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    for number in range(80):
        Image.fromarray(pixels).save(many / f"{number:03d}.png")
    out, journal = tmp_path / "out", tmp_path / "out" / "predictions.jsonl"
    arguments = command(many, tiny_weights, out, "--max-detections=2")
    with subprocess.Popen(arguments, env=environment, stderr=subprocess.PIPE, text=True) as process:
        deadline_s = time.monotonic() + 60
        while not (journal.exists() and journal.stat().st_size > 500):
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        process.terminate()
        assert process.communicate()[1] == "instseg: terminated\n"
    assert process.returncode == 128 + signal.SIGTERM
    before = names(out)
    assert 0 < len(before) < 80
    assert all((out / name).exists() for name in before)
    assert run(config(many, tiny_weights, out, resume=True, score_threshold=0.0)) == 0
    assert names(out) == {f"{number:03d}.png" for number in range(80)}
    assert len(document(out)["images"]) == 80


def test_a_full_disk_is_one_line(photos, tiny_weights, tmp_path, environment):
    done = subprocess.run(
        command(photos, tiny_weights, tmp_path / "out", "--recursive"),
        env=environment,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000)),
        check=False,
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert f"{tmp_path / 'out'}/" in done.stderr
    assert "too large" in done.stderr


def test_odd_photos_never_end_a_run(tiny_weights, tmp_path, environment):
    """Names that are not UTF-8, too long or a folder's, a sliver, a broken file."""
    many, out = tmp_path / "many", tmp_path / "out"
    (many / "a.png").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    stem = "n" * 250
    for name in (f"{stem}.jpg", f"{stem}.png", "a.jpg", "a.png/b.png", "=cmd.png"):
        Image.fromarray(pixels).save(many / name)
    (many / "broken.jpg").write_bytes((many / "a.jpg").read_bytes()[:300])
    (many / "a.jpg").rename(os.fsdecode(os.fsencode(many) + b"/\xe4.jpg"))
    Image.fromarray(pixels).save(many / "a.jpg")
    Image.fromarray(pixels[:1].repeat(9_000, axis=1)).save(many / "sliver.png")
    options = ("--recursive", "--csv", "--crops", "--semantic-map", "--max-detections=3")

    def start(*more: str) -> subprocess.CompletedProcess:
        arguments = command(many, tiny_weights, out, *options, *more)
        return subprocess.run(
            arguments, env=environment, capture_output=True, text=True, check=False
        )

    done = start()
    assert done.returncode == 1, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "broken.jpg: damaged" in done.stderr
    expected = {f"{stem}.jpg", f"{stem}.png", "a.jpg", "a.png/b.png", "=cmd.png"}
    expected |= {"\\xe4.jpg", "sliver.png"}
    assert names(out) == expected
    assert (out / "a.jpg.png").is_file()
    assert (out / "a.png" / "b.png").is_file()
    assert (out / "\\xe4.png").is_file()
    assert len([path for path in out.glob("nnn*.png") if path.is_file()]) == 2
    with (out / "instances.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["file_name"] for row in csv.DictReader(file)}
    assert rows == (expected - {"=cmd.png"}) | {"'=cmd.png"}

    Image.fromarray(pixels).save(many / "broken.jpg")
    again = start("--resume")
    assert (again.returncode, again.stderr) == (0, "")
    assert "7 photos done before" in again.stdout
    assert names(out) == expected | {"broken.jpg"}
    with (out / "instances.csv").open(newline="", encoding="utf-8") as file:
        assert len({row["file_name"] for row in csv.DictReader(file)}) == 8


def test_a_picture_that_cannot_be_written_is_one_photos_failure(
    photos, tiny_weights, tmp_path, capsys
):
    (tmp_path / "a" / "1.png").mkdir(parents=True)
    assert run(config(photos, tiny_weights, tmp_path)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "1.png: cannot be written" in line
    assert names(tmp_path) == {"b/1.png", "b/1.jpg"}
    (tmp_path / "a" / "1.png").rmdir()
    assert run(config(photos, tiny_weights, tmp_path, resume=True)) == 0
    assert names(tmp_path) == {"a/1.png", "b/1.png", "b/1.jpg"}


def test_a_class_name_longer_than_a_file_name(photos, tmp_path):
    card = replace(TINY_CARD, class_names=("BG", "c" * 300, "\u00e4" * 200, "=cup"))
    stand_in_model(card).save(tmp_path / "long.safetensors")
    out = tmp_path / "out"
    wishes = {"crops": True, "csv": True, "score_threshold": 0.0, "max_detections": 40}
    assert run(config(photos / "a", tmp_path / "long.safetensors", out, **wishes)) == 0
    crops = [path.name for path in (out / "crops" / "1").iterdir()]
    assert len(crops) > 5
    assert {path.partition("_")[2][:1] for path in crops} >= {"c", "\u00e4"}
    with (out / "instances.csv").open(newline="", encoding="utf-8") as file:
        classes = {row["class"] for row in csv.DictReader(file)}
    assert classes <= {"c" * 300, "\u00e4" * 200, "'=cup"}


def test_polygons_on_request(photos, tiny_weights, tmp_path):
    wishes = {"score_threshold": 0.0, "max_detections": 40}
    run(config(photos / "a", tiny_weights, tmp_path / "rle", **wishes))
    run(config(photos / "a", tiny_weights, tmp_path / "polygons", polygons=True, **wishes))
    plain = document(tmp_path / "rle")["annotations"]
    asked = document(tmp_path / "polygons")["annotations"]
    kinds = [isinstance(each["segmentation"], list) for each in asked]
    assert any(kinds)
    for one, other, is_polygon in zip(plain, asked, kinds, strict=True):
        assert other.get("rle", other["segmentation"]) == one["segmentation"]
        assert ("rle" in other) == is_polygon
        if is_polygon:
            drawn = coco_mask.merge(coco_mask.frPyObjects(other["segmentation"], 48, 64))
            assert drawn["counts"].decode() == one["segmentation"]["counts"]


def test_a_second_run_in_the_same_folder_is_refused(photos, tiny_weights, tmp_path):
    with (
        only_run_in(tmp_path / "out"),
        pytest.raises(InputError, match="out: another run writes here"),
    ):
        run(config(photos, tiny_weights, tmp_path / "out"))
    assert run(config(photos, tiny_weights, tmp_path / "out")) == 0
    assert not (tmp_path / "out" / ".instseg.lock").exists()


def test_what_a_killed_run_was_writing_is_removed(photos, tiny_weights, tmp_path):
    stale = [tmp_path / place / ".instseg-0123abcd.tmp" for place in ("", "a", "labels/a")]
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    run(config(photos, tiny_weights, tmp_path, semantic_map=True))
    assert not any(path.exists() for path in stale)


def test_photos_in_batches(photos, tiny_weights, tmp_path):
    for size in (1, 3):
        assert run(config(photos, tiny_weights, tmp_path / str(size), batch_size=size)) == 0
    one, three = document(tmp_path / "1"), document(tmp_path / "3")
    assert one["images"] == three["images"]
    assert len(one["annotations"]) == len(three["annotations"])


def test_a_pipe_among_the_photos(photos, tiny_weights, tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe.jpg")
    inputs = [str(tmp_path / "pipe.jpg"), str(photos / "a" / "1.png")]
    assert run(config(photos, tiny_weights, tmp_path / "out", inputs=inputs)) == 1
    assert "pipe.jpg: is a pipe" in capsys.readouterr().err


def test_files_left_out_are_counted(photos, tiny_weights, tmp_path, capsys):
    (photos / "a" / "notes.txt").touch()
    try:
        assert run(config(photos / "a", tiny_weights, tmp_path)) == 0
    finally:
        (photos / "a" / "notes.txt").unlink()
    assert f"{photos / 'a'}: 1 file is left out, no images by" in capsys.readouterr().out


def test_a_report_on_request(photos, tiny_weights, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(config(photos, tiny_weights, out, report=True, pixel_size="0.5mm")) == 0
    assert f"{out}: wrote predictions.json, overlays, report.html: 12" in capsys.readouterr().out
    assert "12 instances in 3 photos" in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("options", [{"pixel_size": "1mm"}, {"embed": "all"}])
def test_options_of_a_report_need_one(photos, tiny_weights, tmp_path, options):
    with pytest.raises(ArgumentError) as caught:
        run(config(photos, tiny_weights, tmp_path / "out", **options))
    assert caught.value.as_options() == "--embed and --pixel-size need --report"


def test_what_a_tool_imports_and_how_well_its_outlines_agree(
    photos, tiny_weights, tmp_path, capsys
):
    wishes = {"overlay": False, "to": "label-studio", "tolerance": "2px"}
    assert run(config(photos, tiny_weights, tmp_path, **wishes)) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "wrote predictions.json, label-studio/: 12 instances in 3 photos" in said
    assert "label-studio: 12 objects in 3 photos; IoU of the simplified outlines" in said
    assert " on average, " in said and said.endswith(" at least")
    assert len(json.loads((tmp_path / "label-studio" / "tasks.json").read_text())) == 3


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"tolerance": 2.0}, "tolerance needs to"),
        ({"to": "cvat", "tolerance": "wide"}, "a number of pixels, such as 1 or 1px"),
        ({"to": "cvat", "tolerance": -1}, "between 0 and 1,000"),
    ],
)
def test_the_tolerance_is_checked_first(photos, tiny_weights, tmp_path, wishes, words):
    with pytest.raises(ArgumentError, match=words):
        run(config(photos, tiny_weights, tmp_path / "out", **wishes))
    assert not (tmp_path / "out").exists()
