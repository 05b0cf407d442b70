"""The calls that notebooks for Matterport's Mask R-CNN make, on drawn scenes."""

import inspect

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import Polygon, Rectangle

from instseg import load_model, visualize
from instseg.evaluation import matterport as utils
from instseg.scenes.scene import SceneConfig, draw_scene

pytestmark = pytest.mark.usefixtures("headless")

ARGUMENTS = {  # of mrcnn.visualize and the balloon sample, in their order
    "display_images": "images titles cols cmap norm interpolation",
    "random_colors": "N bright",
    "apply_mask": "image mask color alpha",
    "display_instances": "image boxes masks class_ids class_names scores title figsize ax "
    "show_mask show_bbox colors captions",
    "display_differences": "image gt_box gt_class_id gt_mask pred_box pred_class_id pred_score "
    "pred_mask class_names title ax show_mask show_box iou_threshold score_threshold",
    "draw_rois": "image rois refined_rois mask class_ids class_names limit",
    "draw_box": "image box color",
    "display_top_masks": "image mask class_ids class_names limit",
    "plot_precision_recall": "AP precisions recalls",
    "plot_overlaps": "gt_class_ids pred_class_ids pred_scores overlaps class_names threshold",
    "draw_boxes": "image boxes refined_boxes masks captions visibilities title ax",
    "display_table": "table",
    "display_weight_stats": "model",
    "color_splash": "image mask",
}


@pytest.fixture(scope="module")
def scene():
    return draw_scene(3, SceneConfig(size_hw=(180, 240), objects=(5, 7)))


@pytest.fixture
def loaded(scene):
    """What a dataset class gives: image, mask (H, W, N), class ids, names."""
    masks = np.moveaxis(scene.instances.masks.dense(), 0, 2)
    return scene.image, masks, scene.instances.class_ids, list(scene.instances.class_names)


def detected(masks, class_ids):
    """A result like that of `model.detect`: the last object is missed, the first shifted."""
    kept = masks[..., :-1].copy()
    kept[..., 0] = np.roll(kept[..., 0], 1, axis=1)
    return {
        "rois": utils.extract_bboxes(kept),
        "masks": kept,
        "class_ids": class_ids[:-1].astype(np.int32),
        "scores": np.linspace(0.99, 0.6, kept.shape[2]).astype(np.float32),
    }


def drawn(axes, kind):
    return [patch for patch in axes.patches if type(patch) is kind]


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_have_matterports_names_and_order(name):
    found = inspect.signature(getattr(visualize, name)).parameters.values()
    positional = [each.name for each in found if each.kind is not each.KEYWORD_ONLY]
    assert positional == ARGUMENTS[name].split()
    assert name in visualize.__all__


def test_inspect_the_data(loaded):
    image, mask, class_ids, names = loaded
    shown = visualize.display_top_masks(image, mask, class_ids, names)
    assert shown[0].get_title() == "H x W = 180 x 240" and len(shown) == 5
    bbox = utils.extract_bboxes(mask)
    axes = visualize.display_instances(image, bbox, mask, class_ids, names)
    assert [text.get_text() for text in axes.texts] == [names[i] for i in class_ids]

    image, window, scale, padding, crop = utils.resize_image(
        image, min_dim=128, max_dim=256, mode="square"
    )
    mask = utils.resize_mask(mask, scale, padding, crop)
    assert image.shape == (256, 256, 3) and mask.shape[:2] == (256, 256)
    assert not mask[: window[0]].any() and not mask[window[2] :].any()
    bbox = utils.extract_bboxes(mask)
    axes = visualize.display_instances(image, bbox, mask, class_ids, names)
    assert len(drawn(axes, Rectangle)) == len(class_ids)

    mini = utils.minimize_mask(bbox, mask, (56, 56))
    (first, *_) = visualize.display_images([mini[..., i] for i in range(min(mini.shape[-1], 7))])
    assert first.images[0].get_array().shape == (56, 56)
    again = utils.expand_mask(bbox, mini, image.shape)
    assert np.diagonal(utils.compute_overlaps_masks(mask, again)).min() > 0.75


def test_inspect_the_model(loaded):
    image, gt_mask, gt_class_id, names = loaded
    gt_bbox, r = utils.extract_bboxes(gt_mask), detected(gt_mask, gt_class_id)
    _, ax = plt.subplots()
    visualize.display_instances(
        image, r["rois"], r["masks"], r["class_ids"], names, r["scores"], ax=ax, title="Predictions"
    )
    assert len(drawn(ax, Rectangle)) == len(r["rois"]) and len(drawn(ax, Polygon)) > 0

    result = (r["rois"], r["class_ids"], r["scores"], r["masks"])
    ap, precisions, recalls, overlaps = utils.compute_ap(gt_bbox, gt_class_id, gt_mask, *result)
    assert ap == pytest.approx(1 - 1 / len(gt_class_id))  # one missed, none wrong
    title = visualize.plot_precision_recall(ap, precisions, recalls).get_title(loc="left")
    assert title.endswith(f"= {ap:.3f}")
    grid = visualize.plot_overlaps(gt_class_id, r["class_ids"], r["scores"], overlaps, names)
    assert sum("match" in text.get_text() for text in grid.texts) == len(r["class_ids"])
    axes = visualize.display_differences(
        image, gt_bbox, gt_class_id, gt_mask, *result[:3], r["masks"], names
    )
    missed = [text.get_text() for text in axes.texts if "missed" in text.get_text()]
    assert missed == [f"missed: {names[gt_class_id[-1]]}"]


def test_inspect_the_steps(loaded):
    image, mask, class_ids, names = loaded
    rois = utils.extract_bboxes(mask)
    refined, ids = rois + np.array([2, 2, -2, -2]), class_ids.copy()
    ids[0] = 0
    soft = np.moveaxis(utils.minimize_mask(rois, mask, (28, 28)), 2, 0)
    axes = visualize.draw_rois(image, rois, refined, soft, ids, names, limit=50)
    assert len(drawn(axes, Rectangle)) == 2 * len(rois) - 1
    captions = [f"{names[i]} 0.9" for i in class_ids]
    axes = visualize.draw_boxes(image, boxes=rois, refined_boxes=refined, captions=captions)
    assert [text.get_text() for text in axes.texts] == captions
    assert len(axes.lines) == len(rois)


def test_weights_and_the_balloon_sample(loaded, tiny_weights, capsys):
    visualize.display_weight_stats(load_model(tiny_weights))
    assert "backbone" in capsys.readouterr().out
    image, mask, *_ = loaded
    splash = visualize.color_splash(image, mask)
    inside = mask.any(axis=2)
    assert (splash[inside] == image[inside]).all() and np.ptp(splash[~inside], axis=1).max() == 0
