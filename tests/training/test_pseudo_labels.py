"""Pseudo-labels keep the classes that a dataset says nothing of."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from instseg.core.instances import Instances
from instseg.data.augmentation import parse_augmentations
from instseg.data.coco import CocoData
from instseg.data.labels import TrainingLabels
from instseg.data.sampling import Order
from instseg.evaluation.coco_ap import average_precision
from instseg.models.heads import kept_classes, match_classes, with_detector_classes
from instseg.models.mask_rcnn import load_detector
from instseg.predict.dataset import predict_dataset
from instseg.predict.predictor import Predictor
from instseg.scenes.scene import SceneConfig, write_scenes
from instseg.training.detection import Detection
from instseg.training.loop import Trainer
from instseg.training.pseudo_labels import SURE, UNSURE, pseudo_label
from instseg.training.recipe import Recipe
from instseg.training.samples import CocoSamples

SIZE_HW = (160, 160)
NEW = "clock"  # what the dataset has, and the starting model does not know


@pytest.fixture(scope="module")
def start():
    """The demo weights for small photos, without the new class."""
    model = load_detector("demo")
    model.network.transform.min_size = SIZE_HW[:1]
    card = replace(model.card, preprocessing={**model.card.preprocessing, "min_size": SIZE_HW[0]})
    known = {n: i for n, i in zip(card.class_names, card.category_ids, strict=True) if n != NEW}
    return with_detector_classes(replace(model, card=card), tuple(known), tuple(known.values()))


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """Scenes in which everything is annotated."""
    path = write_scenes(tmp_path_factory.mktemp("data"), 12, SceneConfig(size_hw=SIZE_HW, seed=5))
    return CocoData.read(path, path.parent / "images")


@pytest.fixture(scope="module")
def data(complete):
    """The same, but only the new class is annotated, as category 1."""
    number = complete.category_ids[complete.class_names.index(NEW)]
    return changed(complete, "data.json", {number: 1}, {1: NEW})


@pytest.fixture(scope="module")
def pseudo(start, data):
    return labelled(start, data)


def changed(data, file_name, renumbered, categories):
    """A dataset beside another, of some of its categories under other numbers and names."""
    document = json.loads(data.coco_json.read_text())
    document["annotations"] = [
        {**each, "category_id": renumbered[each["category_id"]]}
        for each in document["annotations"]
        if each["category_id"] in renumbered
    ]
    document["categories"] = [{"id": number, "name": n} for number, n in categories.items()]
    path = data.coco_json.with_name(file_name)
    path.write_text(json.dumps(document))
    return CocoData.read(path, data.folder)


def labelled(model, data, **options):
    """A dataset with a model's other classes beside its own."""
    sources = match_classes(model.card.class_names[1:], data.class_names[1:])
    names, ids = kept_classes(model, data.class_names, data.category_ids, sources)
    predictor = Predictor(model, precision="fp32", score_threshold=UNSURE)
    path = data.coco_json.with_name(f"pseudo_{data.coco_json.name}")
    return pseudo_label(predictor, data, names, ids, path, **options)


def matches(found, truth):
    """Which of two photos' instances are the same object of the same class, bool (N, M)."""
    same = np.array(found.names)[:, None] == np.array(truth.names)
    return (found.masks.iou(truth.masks) > 0.5) & same


def test_what_the_model_knows_is_annotated_beside_what_was(start, complete, data, pseudo):
    union = kept_classes(start, data.class_names, data.category_ids, {})
    assert (pseudo.class_names, pseudo.category_ids) == union
    assert pseudo.folder == data.folder
    numbers = [each.id for each in pseudo.dataset.annotations]
    assert len(set(numbers)) == len(numbers)
    hits = objects = labels = 0
    for row in range(len(data)):
        old, both, truth = (d.objects(row) for d in (data, pseudo, complete))
        assert both[: len(old)].names == old.names
        assert (both[: len(old)].masks.dense() == old.masks.dense()).all()
        added = both[len(old) :]
        assert NEW not in added.names
        hits += matches(added, truth).any(axis=0).sum()
        objects += len(truth) - len(old)
        labels += len(added)
    assert hits > 0.6 * objects
    assert hits > 0.85 * labels


def test_what_is_unsure_becomes_a_crowd(data, pseudo):
    document = json.loads(pseudo.coco_json.read_text())
    added = [each for each in document["annotations"] if "pseudo_score" in each]
    sure, unsure = ([a["pseudo_score"] for a in added if a["iscrowd"] == crowd] for crowd in (0, 1))
    assert UNSURE < min(unsure) <= max(unsure) < SURE <= min(sure)
    assert sum(len(pseudo.crowds(row)) for row in range(len(data))) == len(unsure)


def test_scores_for_a_detectors_findings_do_not_apply_to_pseudo_labels(pseudo):
    strict = TrainingLabels(data=pseudo, pseudo=(0.99, 0.999))
    for row in range(len(pseudo)):
        found = strict.of(row)
        assert len(found.instances) == len(pseudo.objects(row))
        assert len(found.crowds) == len(pseudo.crowds(row))


@pytest.mark.parametrize("image", [{"neg_category_ids": []}, {"labelled": []}, {"labelled": [NEW]}])
@pytest.mark.parametrize("searched", [None, ["owl"]])
def test_what_is_unknown_stays_unknown(data, tmp_path, image, searched):
    document = json.loads(data.coco_json.read_text())
    for each in document["images"]:
        each |= image
    for each in document["annotations"]:
        each["score"] = 1.0
    document["categories"].append({"id": 2, "name": "owl"})
    document |= {"searched": searched} if searched else {}
    path = tmp_path / "partly.json"
    path.write_text(json.dumps(document))
    partly = CocoData.read(path, data.folder)
    names = ("BG", NEW, "owl", "cup")

    def nothing(photo):
        size_hw = photo.shape[:2]
        return Instances.empty(size_hw, names)

    both = pseudo_label(nothing, partly, names, (0, 1, 2, 3), tmp_path / "pseudo.json")
    before, after = TrainingLabels(data=partly), TrainingLabels(data=both)
    for row in range(len(partly)):
        assert after.unknown(row) == before.unknown(row)


def test_annotated_objects_are_not_annotated_again(start, complete):
    """All objects are of a class that the model has other names for."""
    things = changed(complete, "things.json", dict.fromkeys(complete.category_ids, 7), {7: "thing"})
    both = labelled(start, things, sure=0.0)
    added = 0
    for row in range(len(both)):
        objects = both.objects(row)
        mine = np.array(objects.names) == "thing"
        assert (objects.masks[mine].iou(objects.masks[~mine]) <= 0.5).all()
        added += (~mine).sum()
    assert 0 < added < len(things.dataset.annotations) / 2


def test_progress_is_told(start, data):
    told = []
    labelled(start, data, progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 12) for done in range(1, 13)]


def test_old_classes_are_not_unlearnt(start, data, pseudo, tmp_path):
    path = write_scenes(tmp_path, 8, SceneConfig(size_hw=SIZE_HW))
    val = CocoData.read(path, tmp_path / "images")
    truth = val.document()
    known = [c for c in truth["categories"] if c["name"] != NEW]
    ids = {category["id"] for category in known}
    kept = [a for a in truth["annotations"] if a["category_id"] in ids]
    truth |= {"categories": known, "annotations": kept}
    unlabelled = replace(data, class_names=pseudo.class_names, category_ids=pseudo.category_ids)
    order = Order(images=len(data), batch_size=4, seed=0)
    recipe = Recipe(learning_rate=2e-3, warmup_steps=2, ema_decay=0.5, workers=0)
    aps = []
    for name, taught in (("unlabelled", unlabelled), ("pseudo", pseudo)):
        torch.manual_seed(0)
        model = with_detector_classes(start, taught.class_names, taught.category_ids)
        trainer = Trainer(
            Detection(model.network, frozen_norms=True),
            CocoSamples(taught, 2, order, parse_augmentations([])),
            recipe,
            torch.device("cpu"),
            stages=((0, "heads"),),
        )
        trainer.run(tmp_path / name)
        trained = replace(model, network=trainer.average)
        old = [category["name"] for category in known]
        predictor = Predictor(trained, precision="fp32", score_threshold=0.01, classes=old)
        aps.append(average_precision(truth, predict_dataset(predictor, val), "segm")["AP"])
    assert aps[1] > aps[0] + 0.1
