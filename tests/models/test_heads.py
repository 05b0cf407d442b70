"""New heads for new classes."""

import pytest
import torch

from instseg.core.errors import InputError
from instseg.models.heads import kept_classes, match_classes, with_detector_classes
from instseg.models.mask_rcnn import build_detector, coco_card, fresh_model

OLD = ("BG", "cup", "bottle", "clock")
NEW = ("BG", "clock", "wine", "cup")


@pytest.fixture(scope="module")
def pair():
    torch.manual_seed(0)
    old = fresh_model("compact", OLD, (0, 1, 2, 3))
    return old, with_detector_classes(old, NEW, (0, 10, 20, 30))


def rows_of(model, name, class_id, rows):
    return model.network.state_dict()[name][class_id * rows : (class_id + 1) * rows]


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("roi_heads.box_predictor.cls_score.weight", 1),
        ("roi_heads.box_predictor.bbox_pred.bias", 4),
        ("roi_heads.mask_predictor.logits.weight", 1),
    ],
)
def test_classes_of_the_same_name_keep_their_rows(pair, name, rows):
    old, new = pair
    for class_name in ("BG", "clock", "cup"):
        kept = rows_of(new, name, NEW.index(class_name), rows)
        assert torch.equal(kept, rows_of(old, name, OLD.index(class_name), rows))


def test_everything_below_the_heads_is_kept_and_the_card_is_new(pair):
    old, new = pair
    old_state, new_state = old.network.state_dict(), new.network.state_dict()
    assert torch.equal(new_state["backbone.stem.0.0.weight"], old_state["backbone.stem.0.0.weight"])
    assert new.card.class_names == NEW
    assert new.card.category_ids == (0, 10, 20, 30)
    assert old.card.class_names == OLD


def test_coco_heads_of_91_outputs_give_their_rows_by_dataset_id():
    torch.manual_seed(0)
    old = build_detector(coco_card("resnet50_fpn"))
    new = with_detector_classes(old, ("BG", "toothbrush", "person"), (0, 1, 2))
    name = "roi_heads.box_predictor.cls_score.weight"
    assert torch.equal(rows_of(new, name, 1, 1), rows_of(old, name, 90, 1))  # COCO's toothbrush
    assert torch.equal(rows_of(new, name, 2, 1), rows_of(old, name, 1, 1))


def test_names_match_whatever_their_spelling():
    known = ("person", "tv", "dining table", "traffic light")
    wanted = ("Traffic_Light", "tvmonitor", "pedestrian", "diningtable", "unicorn")
    assert match_classes(known, wanted) == {
        "Traffic_Light": "traffic light",
        "tvmonitor": "tv",
        "pedestrian": "person",
        "diningtable": "dining table",
    }


def test_an_own_mapping_goes_first_and_its_names_must_exist():
    known, wanted = ("horse", "cat"), ("zebra", "cat")
    assert match_classes(known, wanted, {"horse": "zebra"}) == {"zebra": "horse", "cat": "cat"}
    with pytest.raises(
        InputError, match=r"init_classes: the starting weights have no class 'mule'"
    ):
        match_classes(known, wanted, {"mule": "zebra"})
    with pytest.raises(InputError, match=r"init_classes: the dataset has no class 'okapi'"):
        match_classes(known, wanted, {"horse": "okapi"})


def test_a_class_starts_from_the_rows_of_the_class_it_is_mapped_to(pair):
    old, _ = pair
    new = with_detector_classes(old, ("BG", "mug"), (0, 1), {"mug": "cup"})
    name = "roi_heads.box_predictor.cls_score.weight"
    assert torch.equal(rows_of(new, name, 1, 1), rows_of(old, name, OLD.index("cup"), 1))


def test_kept_classes_stand_beside_new_ones_under_ids_that_are_free(pair):
    old, _ = pair
    sources = {"mug": "cup"}
    names, ids = kept_classes(old, ("BG", "wine", "mug"), (0, 2, 9), sources)
    assert names == ("BG", "wine", "clock", "bottle", "mug")
    assert ids == (0, 2, 3, 4, 9)  # 2 was the bottle's and 1 the cup's
    new = with_detector_classes(old, names, ids, sources)
    name = "roi_heads.box_predictor.cls_score.weight"
    for now, before in {"BG": "BG", "clock": "clock", "bottle": "bottle", "mug": "cup"}.items():
        kept = rows_of(new, name, names.index(now), 1)
        assert torch.equal(kept, rows_of(old, name, OLD.index(before), 1))


def test_a_name_that_the_dataset_has_for_something_else_is_not_kept(pair):
    old, _ = pair
    names, ids = kept_classes(old, ("BG", "clock"), (0, 1), {"clock": "cup"})
    assert (names, ids) == (("BG", "clock", "bottle"), (0, 1, 2))


def test_coco_classes_keep_their_ids_beside_a_dataset_that_counts_from_one():
    torch.manual_seed(0)
    old = build_detector(coco_card("resnet50_fpn"))
    names, ids = kept_classes(old, ("BG", "screw", "nut"), (0, 1, 2), {})
    by_name = dict(zip(names, ids, strict=True))
    assert len(by_name) == len(set(ids)) == 83
    assert (by_name["screw"], by_name["nut"], by_name["toothbrush"]) == (1, 2, 90)
    assert (by_name["person"], by_name["bicycle"]) == (12, 26)  # which COCO does not use
    new = with_detector_classes(old, names, ids, {})
    for name, number in (("person", 1), ("toothbrush", 90)):
        for key, rows in (("box_predictor.bbox_pred", 4), ("mask_predictor.mask_fcn_logits", 1)):
            weight = f"roi_heads.{key}.weight"
            kept = rows_of(new, weight, names.index(name), rows)
            assert torch.equal(kept, rows_of(old, weight, number, rows))


@pytest.mark.parametrize("architecture", ["compact", "resnet50_fpn_v2"])
def test_a_shared_mask_channel_starts_as_the_mean_of_the_classes(architecture):
    old = fresh_model(architecture, OLD, (0, 1, 2, 3))
    shared = with_detector_classes(old, NEW, (0, 10, 20, 30), class_agnostic_mask=True)
    assert shared.card.architecture_args == {"num_classes": 4, "class_agnostic_mask": True}
    keys = [k for k in shared.network.state_dict() if "mask_predictor" in k]
    (name,) = [k for k in keys if k.endswith("logits.weight")]
    rows, mean = old.network.state_dict()[name], shared.network.state_dict()[name]
    assert torch.equal(mean, rows[1:].mean(0, keepdim=True))
    again = with_detector_classes(shared, OLD, (0, 1, 2, 3))
    assert again.class_agnostic_mask and torch.equal(again.network.state_dict()[name], mean)
    back = with_detector_classes(shared, OLD, (0, 1, 2, 3), class_agnostic_mask=False)
    assert torch.equal(back.network.state_dict()[name], mean.expand_as(rows))
    x = torch.randn(2, back.network.state_dict()[name].shape[1], 3, 3)
    logits = shared.network.roi_heads.mask_predictor(x)
    assert logits.shape == (2, 4, 6, 6) and logits.stride(1) == 0
