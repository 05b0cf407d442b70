"""`instseg.evaluate`, as it is typed in a notebook."""

import copy
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pycocotools import mask as coco_mask

import instseg
from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import Notice, Progress, Warned
from instseg.evaluation.coco_ap import METRICS
from instseg.files.model_file import read_model_card
from instseg.scenes.scene import SceneConfig, write_scenes
from instseg.system.lock import only_run_in

ROOT = Path(__file__).resolve().parents[2]
SCENES = 6


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, SCENES, SceneConfig(size_hw=(128, 160)))
    return folder


@pytest.fixture(scope="module")
def truth(scenes) -> dict:
    return json.loads((scenes / "annotations.json").read_text())


@pytest.fixture
def results(truth) -> list:
    """All objects found but every third, with outlines as the dataset has them."""
    keys = ("image_id", "category_id", "bbox", "segmentation")
    return [
        {**{key: a[key] for key in keys}, "score": 0.9 - 0.001 * i}
        for i, a in enumerate(a for a in truth["annotations"] if not a["iscrowd"])
        if i % 3
    ]


def measured(scenes, results, **options):
    options = {"resamples": 100, **options}
    return instseg.evaluate(scenes / "annotations.json", results=results, **options)


def test_a_model_is_measured_and_nothing_is_printed_or_written(
    scenes, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    events = []
    found = instseg.evaluate(
        str(scenes / "annotations.json"),
        images=str(scenes / "images"),
        weights="demo",
        resamples=100,
        on_event=events.append,
    )
    assert 0.2 < found.segm.AP < found.segm.AP50 <= 1
    low, high = found.segm.interval("AP")
    assert low < found.segm.AP < high
    assert found.boundary is None and found.comparison == {} and found.files == ()
    assert found.per_class == found.segm.per_class
    best = max(found.per_class, key=lambda row: row.AP or 0)
    assert found.thresholds[best.name] == best.threshold
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())
    done = [event for event in events if isinstance(event, Progress)]
    assert (done[-1].done, done[-1].total) == (SCENES, SCENES)


def test_loaded_objects_are_taken_as_they_are(scenes, tmp_path):
    data = instseg.CocoData.read(scenes / "annotations.json", scenes / "images")
    model = instseg.load_model("demo")
    found = instseg.evaluate(data, weights=model, resamples=100, out=tmp_path, plots=False)
    again = measured(scenes, tmp_path / "predictions.json")
    assert again.segm.to_dict() == found.segm.to_dict()
    assert found.data["coco_json"] == str(scenes / "annotations.json")


def test_what_is_returned_is_what_is_written(scenes, results, tmp_path):
    found = measured(
        scenes, results, against=results[::2], boundary=True, out=tmp_path, plots=False
    )
    written = json.loads((tmp_path / "metrics.json").read_text())
    assert found.to_dict() == written
    assert set(written) == {"format", "instseg", "data", "bbox", "segm", "boundary", "against"}
    assert found.files == (tmp_path / "metrics.json", tmp_path / "per_class.csv")
    assert sorted(tmp_path.iterdir()) == sorted(found.files)


def test_results_of_a_list_and_of_a_file_have_the_same_numbers(scenes, results, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results))
    before = copy.deepcopy(results)
    found, again = measured(scenes, results), measured(scenes, path)
    assert results == before
    assert found.bbox.to_dict() == again.bbox.to_dict()
    assert found.segm.to_dict() == again.segm.to_dict()
    assert (found.data["results"], again.data["results"]) == ("results", str(path))


def test_a_comparison_is_typed(scenes, results):
    found = measured(scenes, results, against=results[::2])
    difference = found.comparison["segm"]["AP"]
    low, high = difference.interval
    assert difference.difference > 0
    assert low < difference.difference < high
    assert 0 <= difference.p <= 1
    same = measured(scenes, results, against=results).comparison["bbox"]["AR100"]
    assert (same.difference, same.p) == (0, 1)


def test_polygons_are_measured_as_pycocotools_measures_them(scenes, results):
    """As sahi and others write them."""
    polygons, rles = [], []
    for each in results:
        x, y, w, h = each["bbox"]
        diamond = [x, y + h / 2, x + w / 2, y, x + w, y + h / 2, x + w / 2, y + h]
        size = each["segmentation"]["size"]
        drawn = coco_mask.frPyObjects([diamond], *size)[0]
        polygons.append({**each, "segmentation": [diamond]})
        rles.append({**each, "segmentation": {**drawn, "counts": drawn["counts"].decode()}})
    events = []
    found = measured(scenes, polygons, referee=True, on_event=events.append)
    assert [type(event) for event in events].count(Notice) == 2
    assert 0 < found.segm.AP50 < found.bbox.AP50
    assert found.segm.to_dict() == measured(scenes, rles).segm.to_dict()
    for each in polygons:
        del each["bbox"]
    assert measured(scenes, polygons).segm.to_dict() == found.segm.to_dict()


def test_empty_outlines_beside_boxes_are_boxes(scenes, results):
    found = measured(scenes, [{**r, "segmentation": []} for r in results])
    assert found.segm is None
    assert found.bbox.AP == measured(scenes, results).bbox.AP
    assert found.per_class == found.bbox.per_class


@pytest.mark.parametrize("size", [{}, {"height": None, "width": None}, {"height": 0, "width": 0}])
def test_boxes_are_measured_where_the_sizes_of_photos_are_unknown(
    scenes, truth, results, tmp_path, size
):
    path = tmp_path / "truth.json"
    images = [{"id": i["id"], "file_name": i["file_name"], **size} for i in truth["images"]]
    path.write_text(json.dumps({**truth, "images": images}))
    events = []
    found = instseg.evaluate(
        path, results=results, resamples=100, referee=True, on_event=events.append
    )
    assert found.bbox.to_dict() == measured(scenes, results).bbox.to_dict()
    assert found.segm is None
    assert "without a height or width" in events[0].text
    masks = [{k: v for k, v in r.items() if k != "bbox"} for r in results]
    with pytest.raises(InputError, match=r"masks only, and .*truth\.json has boxes only"):
        instseg.evaluate(path, results=masks)
    with pytest.raises(InputError, match=r"height|width|photos"):
        instseg.evaluate(path, tmp_path, weights="demo")


@pytest.mark.parametrize("outline", [[[1, 2, 3, 4]], [["a"] * 6], [[0, 0, 1e9, 0, 0, 1e9]], [7]])
def test_a_broken_polygon_is_named(scenes, results, outline):
    results[4]["segmentation"] = outline
    with pytest.raises(InputError, match=r"^results: results\[4\]"):
        measured(scenes, results)


def test_errors_name_the_argument(scenes, results, tmp_path):
    path = scenes / "annotations.json"
    wrong = {
        "weights with images, or results": {},
        "score_threshold=2 must lie between 0 and 1": {"results": results, "score_threshold": 2},
        "seed=-1 must be at least 0": {"results": results, "seed": -1},
        "resamples=7 must be 100": {"results": results, "resamples": 7},
        "weights needs images": {"weights": "demo"},
        "save_thresholds needs weights": {"results": results, "save_thresholds": True},
        "save_thresholds needs out": {"weights": "demo", "images": path, "save_thresholds": True},
    }
    for words, options in wrong.items():
        with pytest.raises(ArgumentError, match=words):
            instseg.evaluate(path, **options)
    with pytest.raises(TypeError, match="scores"):
        instseg.evaluate(path, results=results, scores=0.5)


def test_warnings_are_events(scenes, results):
    events = []
    equal = [{**r, "score": 0.5} for r in results]
    measured(scenes, equal, on_event=events.append)
    assert any(isinstance(e, Warned) and e.text.startswith("results: all ") for e in events)


def test_a_doubtful_ground_truth_is_warned_of(scenes, truth, results, tmp_path):
    names = [category["name"] for category in truth["categories"]]
    changed = json.loads(json.dumps(truth))
    changed["images"][0]["labelled"] = names[:1]
    changed["annotations"][0] |= {"score": 0.75, "category_id": truth["categories"][0]["id"]}
    changed["annotations"][0]["image_id"] = truth["images"][0]["id"]
    (tmp_path / "val.json").write_text(json.dumps(changed))
    events = []
    instseg.evaluate(tmp_path / "val.json", results=results, resamples=100, on_event=events.append)
    texts = [event.text for event in events if isinstance(event, Warned)]
    assert any(f"1 photo of {SCENES} labelled with some classes only" in text for text in texts)
    assert any("1 annotation with a score, a detector's findings" in text for text in texts)


def test_thresholds_are_stored_in_the_model_file(scenes, tmp_path):
    weights = tmp_path / "own.safetensors"
    shutil.copy(ROOT / "weights" / "demo.safetensors", weights)
    found = instseg.evaluate(
        scenes / "annotations.json",
        scenes / "images",
        weights=weights,
        resamples=100,
        save_thresholds=True,
    )
    assert found.model_file == weights
    assert read_model_card(weights).thresholds == found.segm.prediction_thresholds
    assert list(tmp_path.iterdir()) == [weights]


def test_threads_have_the_same_numbers(scenes, results):
    found, before = {}, sys.stdout

    def work(number):
        found[number] = measured(scenes, results, referee=True).to_dict()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3 and found[0] == found[1] == found[2]
    assert sys.stdout is before


def test_it_is_short_in_words_and_whole_in_a_notebook(tmp_path):
    box = {"image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]}
    truth = {
        "images": [{"id": 1, "height": 50, "width": 50, "file_name": "a.jpg"}],
        "annotations": [{"id": 1, **box}],
        "categories": [{"id": 1, "name": "<script>cup & \n"}],
    }
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(truth))
    results = [{**box, "score": 0.9}]
    found = instseg.evaluate(path, results=results, against=results, resamples=100)
    assert repr(found) == "Evaluation(1 image, 1 object; bbox AP 1.000, AP50 1.000)"
    assert repr(found.bbox) == "KindScores(bbox: AP 1.000, AP50 1.000)"
    html = found._repr_html_()
    assert "&lt;script&gt;cup &amp;" in html and "<script>" not in html
    assert html.count("<table>") == html.count("</table>") == 3
    assert all(f"<td>{name}</td>" in found.bbox._repr_html_() for name in METRICS)
    assert pickle.loads(pickle.dumps(found)).to_dict() == found.to_dict()


KILLED = """
import json, resource, signal, sys
import instseg
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # killed in the middle of a larger file
instseg.evaluate(sys.argv[1], results=sys.argv[2], out=sys.argv[3], resamples=100)
"""


def test_a_kill_while_metrics_are_written_leaves_the_former_ones(scenes, results, tmp_path):
    given, out = tmp_path / "results.json", tmp_path / "out"
    given.write_text(json.dumps(results))
    whole = measured(scenes, results, out=tmp_path / "whole", plots=False)
    out.mkdir()
    (out / "metrics.json").write_text("of an earlier run")
    arguments = [str(scenes / "annotations.json"), str(given), str(out)]
    command = [sys.executable, "-c", KILLED, *arguments]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGXFSZ
    assert [path.name for path in out.iterdir() if path.name[0] != "."] == ["metrics.json"]
    assert (out / "metrics.json").read_text() == "of an earlier run"
    again = measured(scenes, results, out=out, plots=False)
    assert again.to_dict() == whole.to_dict()
    assert sorted(path.name for path in out.iterdir()) == ["metrics.json", "per_class.csv"]


def test_a_class_that_spreadsheets_would_run_as_a_formula(scenes, truth, results, tmp_path):
    truth = copy.deepcopy(truth)
    truth["categories"][0]["name"] = "=1+1"
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(truth))
    instseg.evaluate(path, results=results, out=tmp_path, resamples=100, plots=False)
    assert "bbox,'=1+1," in (tmp_path / "per_class.csv").read_text()


def test_a_folder_of_another_run_is_refused(scenes, results, tmp_path):
    words = rf"another run writes here \(process {os.getpid()} on"
    with only_run_in(tmp_path), pytest.raises(InputError, match=words):
        measured(scenes, results, out=tmp_path)
