"""The report of a training run."""

import json
from io import BytesIO

import numpy as np
import pytest
from browser import axe_violations, fresh_page, open_file
from PIL import Image

import instseg
from instseg.core.events import StepDone, Warned
from instseg.report.components import Bars, Gallery, Lines, Numbers, Picture, Table
from instseg.scenes.scene import SceneConfig, write_scenes
from instseg.training.best_ap import BestByAP
from instseg.training.detection_report import DetectionShown
from instseg.training.finetune import make_trainer, validation_data
from instseg.training.finetune_options import FinetuneOptions
from instseg.training.report import POINTS, RunReport
from instseg.training.segmentation_data import checked_statistics
from instseg.training.segmentation_report import SegmentationShown
from instseg.training.train_unet import best_of, maps_of, training_data, with_validation
from instseg.training.train_unet import make_trainer as make_semantic_trainer
from instseg.training.unet_options import TrainUnetOptions


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    return write_scenes(folder, 4, SceneConfig(size_hw=(64, 64)))


def usual(scenes, out):
    return {
        "coco_json": scenes,
        "images": scenes.parent / "images",
        "batch_size": 2,
        "epochs": 2,
        "workers": 0,
        "device": "cpu",
        "precision": "fp32",
        "out": out,
    }


def report_of(options, run, trainer, best, shown):
    return RunReport(
        folder=options.folder,
        options=options.given(),
        trainer=trainer,
        best=best,
        shown=shown,
        on_event=run.tell,
    )


@pytest.fixture(scope="module")
def finetuned(scenes, tiny_weights, tmp_path_factory):
    """The report of a run of `finetune` that has ended."""
    out = tmp_path_factory.mktemp("finetuned")
    options = FinetuneOptions(
        **usual(scenes, out), val_coco_json=scenes, weights=str(tiny_weights), augment=[]
    )
    run = options.run()
    with run.underway(options.check):
        trainer, task, model = make_trainer(options, run)
        val = validation_data(options, model.card.class_names, run.tell)
        best = BestByAP(
            trainer=trainer,
            task=task,
            model=model,
            val=val,
            folder=out,
            recipe={},
            batch_size=2,
        )
        report = report_of(options, run, trainer, best, DetectionShown(best=best))
        run.train(trainer, best, report=report.write)
    return report


@pytest.fixture(scope="module")
def trained(scenes, tmp_path_factory):
    """The report of a run of `train_unet` that has ended."""
    out = tmp_path_factory.mktemp("trained")
    options = TrainUnetOptions(**usual(scenes, out), val_coco_json=scenes, augment=[], crop=48)
    run = options.run()
    with run.underway(options.check):
        maps = maps_of(options, run)
        data, val = with_validation(options, training_data(options, maps), maps)
        statistics = checked_statistics(data, val, run.tell)
        trainer, task, model = make_semantic_trainer(options, data, statistics, run)
        best = best_of(options, trainer, task, model, data, val, statistics)
        report = report_of(options, run, trainer, best, SegmentationShown(best=best))
        run.train(trainer, best, task.scores, report.write)
    return report


def parts(page, kind):
    return [each for section in page.sections for each in section.components if type(each) is kind]


def test_finetuning_is_summed_up(finetuned):
    page = finetuned.page()
    metrics = json.loads((finetuned.folder / "metrics.json").read_text())
    (numbers,) = parts(page, Numbers)
    values = {each.label: each.value for each in numbers.numbers}
    assert values["mask AP"] == f"{metrics['segm']['AP']:.3f}"
    assert values["steps"] == "4"
    (bars,) = parts(page, Bars)
    assert {bar.label for bar in bars.bars} == set(metrics["segm"]["per_class"]) == set(bars.other)
    assert min((bar.value for bar in bars.bars if bar.value is not None), default=0) >= 0
    charts = parts(page, Lines)
    curves = {chart.title: {line.name: line for line in chart.lines} for chart in charts}
    assert curves["Loss"]["validation"].x == [2, 4]
    assert set(curves["Scores on the validation data"]) == {"mask_AP", "box_AP"}
    assert "loss_mask" in curves["Terms of the training loss"]
    assert "learning rate" in curves["Learning rate"]
    options = dict(next(t for t in parts(page, Table) if t.columns[0] == "option").rows)
    assert options["batch_size"] == "2" and options["patience"] == "-"
    assert {"torch", "device", "precision", "instseg"} <= page.details.keys()


def test_the_worst_photos_show_mistakes(finetuned):
    (gallery,) = parts(finetuned.page(), Gallery)
    photos = list(gallery.photos)
    assert len(photos) == 4
    values = [photo.values["panoptic quality"] for photo in photos]
    assert values == sorted(values)
    truth, found = photos[0].layers
    assert len(truth.marks) == len(truth.instances) > 0 and set(truth.marks) <= {"miss", "hit"}
    assert len(found.marks) == len(found.instances)
    assert (found.instances.scores >= 0.5).all()


def test_what_the_network_saw(finetuned, trained):
    for report in (finetuned, trained):
        (picture,) = parts(report.page(), Picture)
        image = np.asarray(Image.open(BytesIO(picture.png)))
        assert image.ndim == 3 and image.std() > 0


def test_training_of_a_semantic_network_is_summed_up(trained):
    page = trained.page()
    metrics = json.loads((trained.folder / "metrics.json").read_text())
    (numbers,), (bars,) = parts(page, Numbers), parts(page, Bars)
    values = {each.label: each.value for each in numbers.numbers}
    assert values["mIoU"] == f"{metrics['scores']['mIoU']:.3f}"
    assert {bar.label for bar in bars.bars} == {*metrics["IoU"], "background"} - {"BG"}
    known = [bar.value for bar in bars.bars if bar.value is not None]
    assert known == sorted(known, reverse=True)
    (gallery,) = parts(page, Gallery)
    photo = next(iter(gallery.photos))
    assert [layer.name for layer in photo.layers] == ["truth", "prediction"]
    terms = next(chart for chart in parts(page, Lines) if chart.title.startswith("Terms"))
    assert not {"mIoU", "loss"} & {line.name for line in terms.lines}


def test_long_logs_are_thinned(finetuned, tmp_path):
    rows = [f"{20 * i},{i},0.1" for i in range(1, 5001)]
    (tmp_path / "log.csv").write_text("\n".join(["step,loss,lr", *rows]) + "\n")
    report = RunReport(
        folder=tmp_path,
        options={},
        trainer=finetuned.trainer,
        best=finetuned.best,
        shown=finetuned.shown,
        on_event=finetuned.on_event,
    )
    (line,) = next(c for c in parts(report.page(), Lines) if c.title == "Loss").lines
    assert len(line.x) == len(line.y) <= POINTS
    assert line.x[-1] == 100_000 and line.y[0] == pytest.approx(7)  # the mean of 1 to 13


def test_a_report_that_cannot_be_written_ends_no_run(scenes, tiny_weights, tmp_path):
    events = []

    def on_event(event):
        events.append(event)
        if isinstance(event, StepDone):
            (tmp_path / "report.html").mkdir(exist_ok=True)  # in the way

    result = instseg.finetune(
        **usual(scenes, tmp_path) | {"epochs": 1},
        weights=tiny_weights,
        on_event=on_event,
    )
    assert result.finished and result.best.exists()
    warnings = [event.text for event in events if isinstance(event, Warned)]
    assert any("report.html" in text for text in warnings)


def test_without_validation_data_there_are_curves(scenes, tiny_weights, tmp_path):
    result = instseg.finetune(
        **usual(scenes, tmp_path) | {"epochs": 1, "warmup_steps": 0}, weights=tiny_weights
    )
    assert result.finished
    text = (tmp_path / "report.html").read_text()
    assert "no validation data" in text and "loss_classifier" in text


@pytest.mark.parametrize("which", ["finetuned", "trained"])
def test_in_a_browser(which, chromium, request):
    report = request.getfixturevalue(which)
    with fresh_page(chromium, bypass_csp=True) as page:
        open_file(page, report.folder / "report.html")
        assert page.locator("h1").inner_text() == report.page().title
        assert page.locator("svg").count() >= 4  # curves
        page.locator("#gallery").scroll_into_view_if_needed()
        assert axe_violations(page) == []
