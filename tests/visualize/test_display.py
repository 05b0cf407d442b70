"""What a user sees in a matplotlib picture of instances."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.patches import Polygon, Rectangle
from PIL import Image

import instseg.visualize
from instseg.core.classes import class_color
from instseg.core.instances import Instances, Masks
from instseg.visualize import display_instances

pytestmark = pytest.mark.usefixtures("headless")

NAMES = ("BG", "cat", "dog")


@pytest.fixture
def instances():
    dense = np.zeros((3, 60, 80), bool)
    dense[0, 5:25, 10:40] = True
    dense[0, 10:20, 20:30] = False  # a donut: two contours
    dense[1, 40:60, 60:80] = True  # in the corner of the photo
    dense[2, 30, 5] = True
    masks = Masks.from_dense(dense)
    return Instances(
        boxes=masks.boxes_xyxy(),
        class_ids=[1, 2, 1],
        scores=[0.9876, 0.5, 0.25],
        masks=masks,
        class_names=NAMES,
    )


def matterport(instances):
    """The same instances as Matterport's arrays."""
    return {
        "boxes": instances.boxes[:, [1, 0, 3, 2]].astype(int),
        "masks": np.moveaxis(instances.masks.dense(), 0, 2),
        "class_ids": instances.class_ids,
        "class_names": list(instances.class_names),
        "scores": instances.scores,
    }


def texts(axes):
    return [text.get_text() for text in axes.texts]


def patches(axes, kind):
    return [patch for patch in axes.patches if type(patch) is kind]


def rendered(axes):
    axes.figure.canvas.draw()
    return np.asarray(axes.figure.canvas.buffer_rgba())


def test_both_forms_show_the_same(image, instances):
    short = display_instances(image, instances)
    long = display_instances(image, *matterport(instances).values())
    assert texts(short) == texts(long) == ["cat 0.988", "dog 0.500", "cat 0.250"]
    assert len(patches(short, Polygon)) == len(patches(long, Polygon)) == 4
    assert len(patches(short, Rectangle)) == len(patches(long, Rectangle)) == 3
    assert (rendered(short) == rendered(long)).all()


def test_boxes_and_captions_are_where_matterport_puts_them(image, instances):
    axes = display_instances(image, instances)
    first = patches(axes, Rectangle)[0]
    assert (first.get_xy(), first.get_width(), first.get_height()) == ((10, 5), 30, 20)
    assert first.get_linestyle() in ("--", "dashed")
    assert axes.texts[0].get_position() == (10, 13)
    assert axes.get_xlim() == (-10, 90) and axes.get_ylim() == (70, -10)
    assert not axes.axison


def test_outlines_follow_the_edges_of_the_pixels_also_at_the_border(image, instances):
    axes = display_instances(image, instances)
    polygons = [polygon.get_xy() for polygon in patches(axes, Polygon)]
    outer = max(polygons, key=lambda xy: np.ptp(xy[:, 0]))
    assert (outer.min(axis=0) == (10, 5)).all() and (outer.max(axis=0) == (40, 25)).all()
    corner = next(xy for xy in polygons if xy.max() == 80)
    assert (corner.min(axis=0) == (60, 40)).all() and (corner.max(axis=0) == (80, 60)).all()


def test_the_photo_is_tinted_inside_the_masks_only(image, instances):
    shown = display_instances(image, instances).images[0].get_array()
    inside = instances.masks.union().dense(0)
    assert (shown[~inside] == 120).all()
    assert np.abs(shown[6, 12] - (120 + np.array(class_color("cat"), float)) / 2).max() <= 1
    assert (image == 120).all()


def test_colours_are_those_of_the_class_or_the_given_ones(image, instances):
    own = patches(display_instances(image, instances), Rectangle)
    assert own[1].get_edgecolor()[:3] == pytest.approx(np.array(class_color("dog")) / 255)
    assert own[0].get_edgecolor() != own[2].get_edgecolor()
    given = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]
    axes = display_instances(image, instances, colors=given)
    assert [to_rgb(box.get_edgecolor()) for box in patches(axes, Rectangle)] == given
    assert axes.images[0].get_array()[6, 12].tolist() == pytest.approx([188, 60, 60], abs=1)


def test_colours_by_instance(image, instances):
    axes = display_instances(image, instances, color_by="instance")
    plates = [text.get_bbox_patch().get_facecolor()[:3] for text in axes.texts]
    assert len(set(plates)) == 3
    given = display_instances(image, **matterport(instances), color_by="instance")
    assert [text.get_bbox_patch().get_facecolor()[:3] for text in given.texts] == plates
    with pytest.raises(ValueError, match='color_by: expected "class" or "instance", got "area"'):
        display_instances(image, instances, color_by="area")


def test_colours_by_name_hex_and_with_opacity(image, instances):
    given = ["red", "#00ff0080", np.array([0.0, 0.0, 1.0, 0.5])]
    axes = display_instances(image, instances, colors=given)
    found = [to_rgb(box.get_edgecolor()) for box in patches(axes, Rectangle)]
    assert found == [to_rgb("red"), to_rgb("lime"), to_rgb("blue")]


@pytest.mark.parametrize(
    ("colors", "said"),
    [
        (["red", "blue"], "colors: expected 3, one for each box, got 2"),
        (["red", "blue", "no colour"], "colors: expected colours such as .* got 'no colour'"),
        ([(255, 0, 0)] * 3, r"colors: expected colours such as .* got \(255, 0, 0\)"),
        ("red", "colors: expected 3 in a list, got 'red'"),
    ],
)
def test_wrong_colours_are_named(image, instances, colors, said):
    with pytest.raises(ValueError, match=said):
        display_instances(image, instances, colors=colors)


@pytest.mark.parametrize(
    ("class_ids", "said"),
    [
        ([1, 2, 99], "class_ids: expected 0 to 2 for 3 class_names, got 99"),
        ([1, -1, 2], "class_ids: expected 0 to 2 for 3 class_names, got -1"),
        ([1.5, 1, 2], "class_ids: expected whole numbers"),
        (["cat", "dog", "cat"], "class_ids: expected whole numbers"),
    ],
)
def test_class_ids_without_a_name_are_refused(image, instances, class_ids, said):
    arrays = matterport(instances) | {"class_ids": class_ids, "class_names": ["BG", "cat", "dog"]}
    with pytest.raises(ValueError, match=said):
        display_instances(image, **arrays)


def test_captions_override_and_scores_are_optional(image, instances):
    axes = display_instances(image, instances, captions=["a", "", "c"])
    assert texts(axes) == ["a", "", "c"]
    arrays = matterport(instances) | {"scores": None}
    assert texts(display_instances(image, **arrays)) == ["cat", "dog", "cat"]


def test_dollars_are_no_mathematics(image, instances):
    axes = display_instances(image, instances, captions=["US$ $x", "$", "c"], title=r"$\x$")
    rendered(axes)  # "$\\x$" would be an unknown symbol of mathematics
    assert texts(axes)[0] == "US$ $x"
    assert not any(text.get_parse_math() for text in (axes.title, *axes.texts))


def test_masks_and_boxes_can_be_left_out(image, instances):
    without_masks = display_instances(image, instances, show_mask=False)
    assert not patches(without_masks, Polygon) and len(patches(without_masks, Rectangle)) == 3
    assert (without_masks.images[0].get_array() == 120).all()
    without_boxes = display_instances(image, instances, show_bbox=False)
    assert len(patches(without_boxes, Polygon)) == 4 and not patches(without_boxes, Rectangle)


def test_rows_of_zeros_are_padding(image, instances):
    arrays = matterport(instances)
    arrays["boxes"][1] = 0
    axes = display_instances(image, **arrays)
    assert texts(axes) == ["cat 0.988", "cat 0.250"]
    assert (axes.images[0].get_array()[45:, 65:] == 120).all()


def test_no_instances_are_a_plain_picture(image, capsys):
    empty = Instances.empty((60, 80), NAMES)
    for axes in (
        display_instances(image, empty, title="none"),
        display_instances(image, [], np.zeros((60, 80, 0)), [], NAMES, []),
        display_instances(image, np.zeros((0, 4), int), np.zeros((60, 80, 0)), [], NAMES),
    ):
        assert not axes.patches and not axes.texts
        assert (axes.images[0].get_array() == 120).all()
    assert capsys.readouterr().out == ""


def test_given_axes_are_used_and_no_figure_is_made(image, instances):
    _, (left, right) = plt.subplots(1, 2)
    figures = plt.get_fignums()
    assert display_instances(image, instances, ax=right, title="right") is right
    assert plt.get_fignums() == figures
    assert right.get_title() == "right" and len(right.texts) == 3 and not left.texts


def test_a_figure_of_its_own_has_the_size_and_is_the_current_one(image, instances, tmp_path):
    axes = display_instances(image, instances, figsize=(5, 4), title="photo")
    assert axes.figure.get_size_inches().tolist() == [5, 4]
    assert display_instances(image, instances).figure.get_size_inches().tolist() == [16, 16]
    assert plt.gca() is not axes
    plt.sca(axes)
    plt.savefig(tmp_path / "photo.png", dpi=axes.figure.dpi)
    with Image.open(tmp_path / "photo.png") as saved:
        assert np.array_equal(saved, rendered(axes))


def test_headless_there_is_neither_a_window_nor_a_warning(image, instances):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rendered(display_instances(image, instances))
        rendered(display_instances(image, Instances.empty((60, 80), NAMES)))


def test_where_figures_can_be_shown_it_is_shown_once(image, instances, tmp_path, monkeypatch):
    """A backend as notebooks bring one: it keeps what it is asked to show."""
    (tmp_path / "keeping_backend.py").write_text(
        "from matplotlib.backends.backend_agg import FigureCanvasAgg\n"
        "shown = []\n"
        "class FigureCanvas(FigureCanvasAgg):\n"
        "    pass\n"
        "def show(*args, **kwargs):\n"
        "    shown.append(args)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    plt.switch_backend("module://keeping_backend")
    import keeping_backend

    display_instances(image, instances)
    assert len(keeping_backend.shown) == 1
    display_instances(image, instances, ax=plt.gca())
    assert len(keeping_backend.shown) == 1  # who gives axes shows them


def test_letters_are_smaller_on_small_axes_but_never_tiny(image, instances):
    _, grid = plt.subplots(6, 6, figsize=(16, 16))
    small = display_instances(image, instances, ax=grid[0, 0]).texts[0].get_fontsize()
    large = display_instances(image, instances).texts[0].get_fontsize()
    assert 5 <= small < large <= 12


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("boxes", np.ones((2, 4)), "masks: expected 2, one for each box, got 3"),
        ("boxes", np.ones((3, 5)), r"boxes: expected shape \(N, 4\), got \(3, 5\)"),
        ("masks", np.ones((60, 80, 2)), "masks: expected 3, one for each box, got 2"),
        ("masks", np.ones((60, 80)), r"masks: expected shape \(H, W, N\), got \(60, 80\)"),
        ("masks", np.ones((28, 28, 3)), r"size \(60, 80\) as the image, got \(28, 28\)"),
        ("class_ids", [1, 2], "class_ids: expected 3, one for each box, got 2"),
        ("scores", [0.5], "scores: expected 3, one for each box, got 1"),
        ("colors", [(1, 0, 0)], "colors: expected 3, one for each box, got 1"),
        ("captions", ["a"] * 4, "captions: expected 3, one for each box, got 4"),
    ],
)
def test_mismatches_are_refused_with_expected_and_actual(image, instances, name, value, message):
    with pytest.raises(ValueError, match=message):
        display_instances(image, **(matterport(instances) | {name: value}))


def test_the_package_names_what_it_has_not():
    with pytest.raises(AttributeError, match="no attribute 'display_mistakes'"):
        instseg.visualize.display_mistakes  # noqa: B018
