"""`instseg evaluate`, run on files."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from instseg.cli import main
from instseg.commands.evaluate import Options, run
from instseg.commands.infer import Options as InferOptions
from instseg.commands.infer import run as infer
from instseg.core.errors import ArgumentError, InputError
from instseg.files.model_file import read_model_card
from instseg.scenes.scene import SceneConfig, write_scenes

ROOT = Path(__file__).resolve().parents[2]
SCENES = 9  # no multiple of two processes


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, SCENES, SceneConfig(size_hw=(160, 160)))
    return folder


@pytest.fixture(scope="module")
def measured(dataset, tmp_path_factory) -> Path:
    """What a measurement of the demo weights writes."""
    out = tmp_path_factory.mktemp("measured")
    shutil.copy(ROOT / "weights" / "demo.safetensors", out / "model.safetensors")
    assert run(config(dataset, out, weights=str(out / "model.safetensors"), referee=True)) == 0
    return out


def config(dataset, out, **options):
    common = {"coco_json": dataset / "annotations.json", "images": dataset / "images"}
    return Options(**common, out=out, resamples=100, **options)


def as_printed(error):
    """What a command says of an error."""
    return error.as_options() if isinstance(error, ArgumentError) else str(error)


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_a_model_is_measured_with_intervals_causes_and_plots(measured):
    found = metrics(measured)
    assert found["data"]["images"] == SCENES
    for kind in ("bbox", "segm"):
        low, high = found[kind]["intervals"]["AP"]
        assert 0.3 < low < found[kind]["scores"]["AP"] < high <= 1
        assert found[kind]["errors"]["costs"]["missed"] >= 0
    with (measured / "per_class.csv").open() as file:
        rows = list(csv.DictReader(file))
    expected = [
        {"kind": kind, **row} for kind in ("bbox", "segm") for row in found[kind]["per_class"]
    ]
    assert rows == [
        {key: "" if value is None else str(value) for key, value in row.items()} for row in expected
    ]
    names = ("precision_recall", "confusion", "errors", "calibration", "classes")
    pictures = {f"{kind}_{name}.png" for kind in ("box", "mask") for name in names}
    assert {path.name for path in measured.glob("*.png")} == pictures
    for name in pictures:
        with Image.open(measured / name) as picture:
            colors = picture.convert("RGB").getcolors(picture.width * picture.height)
        assert len(colors) > 20  # something is drawn


def test_its_predictions_measured_again_have_the_same_scores(dataset, measured, tmp_path):
    results = measured / "predictions.json"
    assert run(config(dataset, tmp_path, results=results, plots=False)) == 0
    assert metrics(tmp_path)["segm"] == metrics(measured)["segm"]
    bare = tmp_path / "list.json"
    bare.write_text(json.dumps(json.loads(results.read_text())["annotations"]))
    assert run(config(dataset, tmp_path, results=bare, plots=False)) == 0
    assert metrics(tmp_path)["bbox"] == metrics(measured)["bbox"]


def test_a_report_is_written_and_said(dataset, measured, tmp_path, capsys):
    results = measured / "predictions.json"
    assert run(config(dataset, tmp_path, results=results, plots=False, report=True)) == 0
    assert capsys.readouterr().out.endswith("per_class.csv, report.html\n")
    html = (tmp_path / "report.html").read_text()
    assert all(path.name in html for path in (dataset / "images").iterdir())
    assert f"{metrics(tmp_path)['segm']['scores']['AP']:.3f}" in html


def test_what_infer_writes_is_matched_by_file_and_class_names(
    dataset, measured, tmp_path, tiny_weights, capsys
):
    """Its image ids are its own, from 1 on; here also in another order, of another folder."""
    inputs = [str(path) for path in sorted((dataset / "images").iterdir(), reverse=True)]
    weights = str(measured / "model.safetensors")
    options = {"overlay": False, "score_threshold": 0.01}
    infer(InferOptions(inputs=inputs, weights=weights, out=tmp_path, **options))
    results = tmp_path / "predictions.json"
    document = json.loads(results.read_text())
    for image in document["images"]:
        image["id"] += 1000
    for annotation in document["annotations"]:
        annotation["image_id"] += 1000
        annotation["category_id"] += 500
    for category in document["categories"]:
        category["id"] += 500
    results.write_text(json.dumps(document))
    assert run(config(dataset, tmp_path, results=results, plots=False)) == 0
    assert metrics(tmp_path)["segm"]["scores"] == metrics(measured)["segm"]["scores"]
    few = {**document, "images": document["images"][:4]}
    results.write_text(json.dumps(few))
    capsys.readouterr()
    run(config(dataset, tmp_path, results=results, plots=False))
    assert f"4 of the dataset's {SCENES} photos" in capsys.readouterr().err


def test_against_other_results_the_difference_is_told(dataset, measured, tmp_path, capsys):
    results = json.loads((measured / "predictions.json").read_text())["annotations"]
    other = tmp_path / "other.json"
    other.write_text(json.dumps([r for r in results if r["id"] % 3]))
    assert (
        run(
            config(
                dataset, tmp_path, results=measured / "predictions.json", against=other, plots=False
            )
        )
        == 0
    )
    difference = metrics(tmp_path)["against"]["segm"]["AP"]
    assert difference["difference"] > 0
    assert difference["interval"][0] <= difference["difference"] <= difference["interval"][1]
    assert 0 <= difference["p"] <= 1
    assert "other.json" in capsys.readouterr().out


def test_boundaries_are_measured_if_asked_for(dataset, measured, tmp_path):
    options = {"results": measured / "predictions.json", "boundary": True, "plots": False}
    assert run(config(dataset, tmp_path, **options)) == 0
    scores = metrics(tmp_path)
    assert scores["boundary"]["scores"]["AP"] <= scores["segm"]["scores"]["AP"]


def test_thresholds_are_stored_and_used(dataset, measured, tmp_path, capsys):
    weights = tmp_path / "own.safetensors"
    shutil.copy(measured / "model.safetensors", weights)
    images = [str(dataset / "images")]
    asked = InferOptions(inputs=images, weights=str(weights), out=tmp_path / "b", overlay=False)
    out = tmp_path / "evaluated"
    run(config(dataset, out, weights=str(weights), save_thresholds=True, plots=False))
    stored = read_model_card(weights).thresholds
    found = metrics(out)["bbox"]
    assert stored == found["prediction_thresholds"]
    few = [row["class"] for row in found["per_class"] if row["objects"] < 20]
    assert few and {stored[name] for name in few} == {found["overall_threshold"]}
    said = f"those with fewer than 20 have {found['overall_threshold']:.3f}"
    assert said in capsys.readouterr().out
    infer(asked)
    document = json.loads((tmp_path / "b" / "predictions.json").read_text())
    names = {category["id"]: category["name"] for category in document["categories"]}
    assert document["annotations"]
    for annotation in document["annotations"]:
        least = stored[names[annotation["category_id"]]]
        assert annotation["score"] > least
    assert (
        read_model_card(weights).class_names
        == read_model_card(ROOT / "weights" / "demo.safetensors").class_names
    )


def test_metrics_and_words_about_the_data_are_stored_and_shown(dataset, tmp_path, capsys):
    weights, about = tmp_path / "own.safetensors", tmp_path / "about.yaml"
    shutil.copy(ROOT / "weights" / "demo.safetensors", weights)
    about.write_text("data: [nine drawings, a cup of tea]\nlicence: Apache-2.0\nnot_for: photos\n")
    out = tmp_path / "out"
    run(config(dataset, out, weights=str(weights), save_metrics=True, about=about, plots=False))
    assert f"{weights}: holds these metrics" in capsys.readouterr().out
    card, found = read_model_card(weights), metrics(out)
    assert card.thresholds == {}
    told = card.provenance["metrics"]
    assert told["data"] == {**told["data"], "images": SCENES, "coco_json": "annotations.json"}
    for kind in ("bbox", "segm"):
        assert told[kind]["AP"] == found[kind]["scores"]["AP"]
        assert told[kind]["intervals"]["AP"] == found[kind]["intervals"]["AP"]
        aps = {row["class"]: row["AP"] for row in found[kind]["per_class"]}
        assert told[kind]["per_class"] == {n: ap for n, ap in aps.items() if ap is not None}
    assert card.provenance["recipe"]  # as before
    assert main(["info", str(weights)]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    for line in (
        *("trained on nine drawings", "a cup of tea", "licence Apache-2.0", "not for photos"),
        f"measured on {SCENES} photos",
    ):
        assert line in lines
    ap = found["segm"]["scores"]["AP"]
    low, high = found["segm"]["intervals"]["AP"]
    assert any(
        line.startswith("AP ") and line.endswith(f"{ap:.3f} {low:.3f} to {high:.3f}")
        for line in lines
    )
    row = found["segm"]["per_class"][0]
    assert any(
        line.startswith(f"{row['class']} {row['objects']} ") and line.endswith(f"{row['AP']:.3f}")
        for line in lines
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("licence: [1, 2]", "licence must be a text or a list of texts"),
        ("license: MIT", "expected the keys data, licence, not_for"),
        ("- a list", "expected the keys"),
        ("data: [", "is not YAML"),
        ("data: ''", "data must be a text"),
    ],
)
def test_words_about_the_data_that_cannot_be_used(dataset, tmp_path, text, words):
    about = tmp_path / "about.yaml"
    about.write_text(text)
    with pytest.raises(InputError, match=rf"about\.yaml: .*{words}"):
        run(config(dataset, tmp_path, weights="demo", save_metrics=True, about=about))


def test_two_processes_have_the_numbers_of_one(dataset, tmp_path):
    """The photos cannot be shared out evenly."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    tool = [str(ROOT / "tools" / "evaluate.py"), "--weights", "demo", "--no-plots"]
    tool += ["--coco-json", str(dataset / "annotations.json"), "--images", str(dataset / "images")]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    assert main(["evaluate", *tool[1:], "--out", str(tmp_path / "1")]) == 0
    command = [*launch, "2", *tool, "--out", str(tmp_path / "2")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("metrics.json") == 1
    first, second = metrics(tmp_path / "1"), metrics(tmp_path / "2")
    assert first["segm"] == second["segm"]
    assert first["bbox"] == second["bbox"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image_id": 99_999}, "image"),
        ({"category_id": 1_000}, "categor"),
        ({"segmentation": {"size": [7, 7], "counts": "a1"}}, "another size than their image"),
    ],
)
def test_numbers_that_mean_nothing_are_refused_by_name(dataset, measured, tmp_path, change, words):
    results = json.loads((measured / "predictions.json").read_text())["annotations"]
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps([{**r, **change} for r in results]))
    with pytest.raises(InputError, match=rf"wrong\.json: .*{words}"):
        run(config(dataset, tmp_path, results=path))
    assert not (tmp_path / "metrics.json").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "--weights .* or --results"),
        ({"weights": "demo", "about": Path("a.yaml")}, "--about needs --save-metrics"),
        ({"results": Path("a.json"), "save_metrics": True}, "--save-metrics needs --weights"),
        ({"weights": "demo", "results": Path("a.json")}, "--weights .* or --results"),
        ({"results": Path("a.json"), "save_thresholds": True}, "--save-thresholds needs"),
        ({"weights": "demo", "images": None}, "--images"),
        ({"results": Path("none.json")}, r"none\.json: cannot be read"),
        ({"weights": "demo", "score_threshold": 2}, "--score-threshold"),
        ({"weights": "demo", "max_detections": 0}, "--max-detections"),
        ({"weights": "demo", "resamples": 10**9}, "--resamples"),
        ({"weights": "demo", "seed": -1}, "--seed"),
        ({"weights": "demo", "out": Path(__file__)}, r"test_evaluate\.py: cannot be made"),
    ],
)
def test_options_that_do_not_go_together_are_named(dataset, tmp_path, options, words):
    common = {"coco_json": dataset / "annotations.json", "images": dataset / "images"}
    with pytest.raises(InputError) as caught:
        run(Options(**{**common, "out": tmp_path, **options}))
    assert re.search(words, as_printed(caught.value))


def test_no_input_is_overwritten(dataset, measured):
    """A model measured with the same --out, against what the last one found."""
    against = measured / "predictions.json"
    before = against.read_bytes()
    with pytest.raises(InputError, match=r"predictions\.json: would be overwritten"):
        run(config(dataset, measured, weights="demo", against=against))
    assert against.read_bytes() == before


def test_faults_of_the_dataset_are_told_of_its_file(tmp_path):
    crowd = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "iscrowd": 1}
    truth = small_truth([crowd])
    with pytest.raises(InputError, match=r"truth\.json: every annotation .* is a crowd"):
        measure(tmp_path, truth, [found()])


def test_photos_without_names_are_not_matched_by_name(tmp_path):
    """All would be taken for one photo."""
    truth = small_truth([{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]}])
    truth["images"] += [{"id": 2, "height": 50, "width": 50}]
    with pytest.raises(InputError, match=r"results\.json: 1 photo with the file name"):
        measure(tmp_path, truth, {**truth, "annotations": [found()]})
    assert measure(tmp_path, truth, [found()]) == 0


def test_masks_are_not_compared_with_boxes(tmp_path):
    truth = small_truth([{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]}])
    masks = [found(segmentation={"size": [50, 50], "counts": [2500]})]
    del masks[0]["bbox"]
    with pytest.raises(InputError, match=r"results\.json: has masks only, and .*truth\.json"):
        measure(tmp_path, truth, masks)
    with pytest.raises(ArgumentError) as caught:
        measure(tmp_path, truth, [found()], boundary=True)
    assert caught.value.as_options().startswith("--boundary needs masks")


def test_odd_class_names_are_printed_on_one_line_and_drawn_without_warnings(
    tmp_path, capsys, recwarn
):
    truth = small_truth([{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]}])
    truth["categories"][0]["name"] = "\x1b[31m[red]漢\n" + 9000 * "x"
    assert measure(tmp_path, truth, [found()], plots=True) == 0
    out = capsys.readouterr().out
    assert "?[31m[red]漢 xxx" in out and "\x1b" not in out
    assert max(map(len, out.splitlines())) < 1000
    assert not list(recwarn)


def test_tables_say_what_metrics_hold(dataset, measured, tmp_path, capsys):
    against = tmp_path / "half.json"
    results = json.loads((measured / "predictions.json").read_text())["annotations"]
    against.write_text(json.dumps(results[::2]))
    options = {"results": measured / "predictions.json", "against": against, "plots": False}
    assert run(config(dataset, tmp_path / "out", **options)) == 0
    lines = capsys.readouterr().out.splitlines()
    scores, differences = (lines[at : at + 13] for at, line in enumerate(lines) if "95%" in line)
    content = metrics(tmp_path / "out")
    for line, name in zip(scores[1:], content["segm"]["scores"], strict=True):
        parts = [name]
        for kind in ("bbox", "segm"):
            limits = content[kind]["intervals"][name]
            parts.append(shown(content[kind]["scores"][name]))
            parts += [f"{limits[0]:.3f} to {limits[1]:.3f}"] if limits else []
        assert line.split() == " ".join(parts).split()
    ar100 = content["against"]["bbox"]["AR100"]["difference"]
    assert ar100 > 0
    assert differences[9].split()[:2] == ["AR100", f"{ar100:+.3f}"]
    costs = [content[kind]["errors"]["costs"]["background"] for kind in ("bbox", "segm")]
    assert ["background", *map(shown, costs)] in [line.split() for line in lines]
    assert f"mask AP against {against}: better" in lines
    assert lines[-1] == f"{tmp_path / 'out'}: wrote metrics.json, per_class.csv"


def shown(score):
    return "-" if score == -1 else f"{score:.3f}"


def test_classes_with_few_objects_are_counted_in_words(tmp_path, capsys):
    truth = small_truth([{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]}])
    assert measure(tmp_path, truth, [found()]) == 0
    out = capsys.readouterr().out
    assert "1 of 1 class has fewer than 10 objects" in out
    assert out.splitlines()[1].split() == ["AP", "1.000"]


def small_truth(annotations):
    return {
        "images": [{"id": 1, "height": 50, "width": 50}],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "cup"}],
    }


def found(**more):
    return {"image_id": 1, "category_id": 1, "score": 0.5, "bbox": [1, 1, 5, 5], **more}


def measure(folder, truth, results, **options):
    (folder / "truth.json").write_text(json.dumps(truth))
    (folder / "results.json").write_text(json.dumps(results))
    files = {"coco_json": folder / "truth.json", "results": folder / "results.json"}
    options = {"plots": False, "resamples": 100, **options}
    return run(Options(**files, out=folder / "out", **options))


def test_a_model_of_other_classes_is_refused(dataset, tmp_path, tiny_weights):
    with pytest.raises(InputError, match=r"knows none of the dataset's classes: .*cat, dog"):
        run(config(dataset, tmp_path, weights=str(tiny_weights)))
