"""Masks against pycocotools and against plain dense arrays."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from instseg.core.masks import Masks

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools' decode
properties = settings(max_examples=60)


def coco_encode(dense):
    """pycocotools' own RLE of bool (N, H, W), counts as str."""
    rles = coco_mask.encode(np.asfortranarray(dense.transpose(1, 2, 0).astype(np.uint8)))
    return [{"size": rle["size"], "counts": rle["counts"].decode()} for rle in rles]


@st.composite
def dense_masks(draw, max_count=4, max_side=24):
    """bool (N, H, W): noise of any density, rectangles, and both laid over each other."""
    height, width = draw(st.integers(1, max_side)), draw(st.integers(1, max_side))
    masks = np.zeros((draw(st.integers(0, max_count)), height, width), dtype=bool)
    for mask in masks:
        y0, y1 = sorted(draw(st.tuples(st.integers(0, height), st.integers(0, height))))
        x0, x1 = sorted(draw(st.tuples(st.integers(0, width), st.integers(0, width))))
        mask[y0:y1, x0:x1] = True
        if draw(st.booleans()):
            mask ^= draw(hnp.arrays(bool, (height, width)))
    return masks


def shape_masks():
    """One of each shape that goes wrong easily, bool (N, 9, 11)."""
    donut, parts, pixel, full, empty, u_shape = np.zeros((6, 9, 11), dtype=bool)
    donut[1:8, 2:9] = True
    donut[3:6, 4:7] = False
    parts[0:3, 0:3] = parts[6:9, 8:11] = True
    pixel[4, 5] = True
    full[:] = True
    u_shape[:, 2] = u_shape[8, 2:7] = u_shape[:, 6] = True
    edges = np.zeros((4, 9, 11), dtype=bool)
    edges[0, 0, 3:5] = edges[1, 8, 3:5] = edges[2, 3:5, 0] = edges[3, 3:5, 10] = True
    columns = np.zeros((2, 9, 11), dtype=bool)
    columns[0, :, 3:6] = True  # runs go on from column to column
    columns[1, :, 3:6] = columns[1, :, 8:] = True
    return np.stack([donut, parts, pixel, full, empty, u_shape, *edges, *columns])


def assert_same(masks, dense):
    assert masks.size_hw == dense.shape[1:]
    np.testing.assert_array_equal(masks.dense(), dense)


@pytest.fixture(scope="module")
def real_images(coco_dir):
    """(our masks, pycocotools' RLEs, iscrowd) of each annotated real photo."""
    images = []
    for split in ("train2017", "val2017"):
        document = json.loads((coco_dir / f"annotations/instances_{split}.json").read_text())
        for image in document["images"]:
            found = [a for a in document["annotations"] if a["image_id"] == image["id"]]
            if found:
                segmentations = [annotation["segmentation"] for annotation in found]
                ours, theirs = read_coco(segmentations, (image["height"], image["width"]))
                images.append((ours, theirs, [annotation["iscrowd"] for annotation in found]))
    return images


def read_coco(segmentations, size_hw):
    ours, theirs = [], []
    for segmentation in segmentations:
        coded = coco_mask.frPyObjects(segmentation, *size_hw)
        if isinstance(segmentation, dict):
            ours.append(Masks.from_rle([segmentation]))
            theirs.append(coded)
        else:
            ours.append(Masks.from_polygons([segmentation], size_hw))
            theirs.append(coco_mask.merge(coded))
    return Masks.concatenate(ours), theirs


def test_real_annotations_equal_pycocotools(real_images):
    assert sum(sum(crowds) for _, _, crowds in real_images) > 5
    for masks, theirs, crowds in real_images:
        assert masks.to_rle() == [{**rle, "counts": rle["counts"].decode()} for rle in theirs]
        np.testing.assert_array_equal(masks.areas(), coco_mask.area(theirs))
        x, y, w, h = coco_mask.toBbox(theirs).T
        np.testing.assert_array_equal(masks.boxes_xyxy(), np.stack([x, y, x + w, y + h], axis=1))
        expected = coco_mask.iou(theirs, theirs, crowds)
        np.testing.assert_array_equal(masks.iou(masks, iscrowd=crowds), expected)
    no_crowds = coco_mask.iou(theirs, theirs, [0] * len(theirs))
    np.testing.assert_array_equal(masks.iou(masks), no_crowds)


def test_real_annotations_round_trip(real_images):
    for masks, theirs, _ in real_images[::16]:
        assert_same(masks, coco_mask.decode(theirs).transpose(2, 0, 1).astype(bool))
        assert Masks.from_dense(masks.dense()).to_rle() == masks.to_rle()
        assert Masks.from_rle(theirs).to_rle() == masks.to_rle()  # counts as bytes
        assert json.loads(json.dumps(masks.to_rle())) == masks.to_rle()


@properties
@given(dense_masks())
def test_round_trips(dense):
    masks = Masks.from_dense(dense)
    assert_same(masks, dense)
    rles = masks.to_rle()
    assert rles == coco_encode(dense)
    again = Masks.from_rle(rles, masks.size_hw)
    assert_same(again, dense)
    assert again.to_rle() == rles
    np.testing.assert_array_equal(masks.areas(), dense.sum(axis=(1, 2)))


@properties
@given(dense_masks(), dense_masks(), st.data())
def test_iou_equals_pycocotools(first, second, data):
    second = np.resize(second, (len(second), *first.shape[1:])) if second.size else first[:0]
    crowd = data.draw(st.lists(st.integers(0, 1), min_size=len(second), max_size=len(second)))
    overlaps = Masks.from_dense(first).iou(Masks.from_dense(second), iscrowd=crowd)
    assert overlaps.shape == (len(first), len(second))
    assert overlaps.dtype == np.float64
    if overlaps.size:
        expected = coco_mask.iou(coco_encode(first), coco_encode(second), crowd)
        np.testing.assert_array_equal(overlaps, expected)


@properties
@given(dense_masks(), st.tuples(st.integers(-30, 30), st.integers(-30, 30)), st.data())
def test_placed_flipped_union_equal_dense(dense, offset, data):
    canvas_hw = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    masks = Masks.from_dense(dense)
    assert_same(masks.flipped(), dense[:, :, ::-1])
    assert masks.flipped().to_rle() == coco_encode(dense[:, :, ::-1])
    assert_same(masks.union(), dense.any(axis=0, keepdims=True))

    wide = np.zeros((len(dense), 110, 110), dtype=bool)  # the canvas begins at (40, 40)
    y, x = offset[0] + 40, offset[1] + 40
    wide[:, y : y + dense.shape[1], x : x + dense.shape[2]] = dense
    expected = wide[:, 40 : 40 + canvas_hw[0], 40 : 40 + canvas_hw[1]]
    placed = masks.placed(offset, canvas_hw)
    assert_same(placed, expected)
    assert placed.to_rle() == coco_encode(expected)


@pytest.mark.parametrize("transpose", [False, True])
def test_shapes(transpose):
    dense = shape_masks().transpose(0, 2, 1) if transpose else shape_masks()
    masks = Masks.from_dense(dense)
    rles = coco_encode(dense)
    assert masks.to_rle() == rles
    for source in (masks, Masks.from_rle(rles), Masks.from_dense(dense.astype(np.uint8) * 255)):
        assert_same(source, dense)
    x, y, w, h = coco_mask.toBbox(rles).T
    np.testing.assert_array_equal(masks.boxes_xyxy(), np.stack([x, y, x + w, y + h], axis=1))
    assert masks.boxes_xyxy().dtype == np.float32
    assert masks.areas().dtype == np.int64
    assert masks.crops[4].shape == (0, 0)  # the empty one
    assert_same(masks.union().placed((2, 1), dense.shape[1:])[0:0], dense[:0])


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 7), (7, 1), (2, 3)])
def test_every_mask_of_a_small_image(size_hw):
    pixels = size_hw[0] * size_hw[1]
    bits = np.arange(2**pixels)[:, None] >> np.arange(pixels) & 1
    dense = bits.reshape(-1, *size_hw).astype(bool)
    masks = Masks.from_dense(dense)
    assert masks.to_rle() == coco_encode(dense)
    assert_same(Masks.from_rle(masks.to_rle()), dense)


def test_no_masks():
    masks = Masks.empty((5, 7))
    assert len(masks) == 0
    assert masks.dense().shape == (0, 5, 7)
    assert masks.areas().shape == (0,)
    assert masks.boxes_xyxy().shape == (0, 4)
    assert masks.to_rle() == []
    assert masks.iou(masks).shape == (0, 0)
    assert masks.iou(Masks.from_dense(np.ones((2, 5, 7), dtype=bool))).shape == (0, 2)
    assert masks.union().areas().tolist() == [0]
    assert masks.placed((2, 2), (9, 9)).size_hw == (9, 9)
    for same in (
        masks.flipped(),
        masks[[]],
        Masks.from_rle([], (5, 7)),
        Masks.from_polygons([], (5, 7)),
        Masks.from_dense(np.zeros((0, 5, 7), dtype=bool)),
        Masks.from_crops([], [], (5, 7)),
        Masks.concatenate([masks, masks]),
    ):
        assert (len(same), same.size_hw) == (0, (5, 7))


def test_indexing_filters():
    dense = shape_masks()
    masks = Masks.from_dense(dense)
    chosen = np.arange(len(dense)) % 3 == 0
    for index in (slice(2, 7, 2), [3, 0, 3], np.array([-1, 1]), chosen, chosen.tolist()):
        assert_same(masks[index], dense[index])
    assert_same(masks[3], dense[3:4])
    assert_same(masks[np.int64(-2)], dense[-2][None])
    np.testing.assert_array_equal(masks.dense(1), dense[1])
    np.testing.assert_array_equal(masks.dense(-1), dense[-1])
    assert [len(mask) for mask in masks] == [1] * len(dense)
    for index in (len(dense), -len(dense) - 1, np.ones(3, dtype=bool)):
        with pytest.raises(IndexError):
            masks[index]


def test_concatenate():
    dense = shape_masks()
    joined = Masks.concatenate([Masks.from_dense(dense[:4]), Masks.from_dense(dense[4:])])
    assert_same(joined, dense)
    with pytest.raises(ValueError, match=r"expected one image size, got \[\(2, 2\), \(3, 3\)\]"):
        Masks.concatenate([Masks.empty((2, 2)), Masks.empty((3, 3))])


def test_crops_are_cut_at_the_border_and_need_not_be_tight():
    loose = np.zeros((4, 4), dtype=bool)
    loose[1:3, 1:3] = True
    masks = Masks.from_crops(
        [loose, loose, loose, loose], [(3, 3), (-2, -2), (8, 0), (9, -9)], (10, 8)
    )
    dense = np.zeros((4, 10, 8), dtype=bool)
    dense[0, 4:6, 4:6] = dense[1, 0, 0] = dense[2, 9, 1:3] = True
    assert_same(masks, dense)
    assert masks.to_rle() == coco_encode(dense)
    assert masks.boxes_xyxy().tolist() == [[4, 4, 6, 6], [0, 0, 1, 1], [1, 9, 3, 10], [0] * 4]
    assert masks.crops[3].shape == (0, 0)


def test_frozen():
    dense = shape_masks()
    masks = Masks.from_dense(dense)
    dense[:] = False
    assert masks.areas()[3] == 99  # not the caller's array
    with pytest.raises(ValueError, match="read-only"):
        masks.crops[0][0, 0] = True
    with pytest.raises(ValueError, match="read-only"):
        masks.offsets_yx[0] = 0
    with pytest.raises(AttributeError):
        masks.size_hw = (3, 3)


def test_run_lengths_as_people_write_them():
    dense = Masks.from_rle([{"size": [3, 4], "counts": [2, 3, 7]}]).dense(0)
    np.testing.assert_array_equal(np.flatnonzero(dense.T), [2, 3, 4])
    same = [[2, 3], [2, 0, 0, 3, 7], [2, 1, 0, 2, 7, 0]]  # cut short, with empty runs
    for masks in (Masks.from_rle([{"size": [3, 4], "counts": counts}]) for counts in same):
        np.testing.assert_array_equal(masks.dense(0), dense)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([5, 8], "expected runs of 0 or more pixels, 12 in all for a 3 x 4 image, got 13"),
        ([5, -2, 9], "12 in all for a 3 x 4 image, got 12 in all, shortest -2"),
        ("52P", "the last below"),
        ("5 2", 'expected characters "0" to "o"'),
        ("5ö", "ascii"),
    ],
)
def test_broken_rle_is_refused(counts, message):
    with pytest.raises(ValueError, match=message):
        Masks.from_rle([{"size": [3, 4], "counts": counts}])


@properties
@given(st.text(st.characters(min_codepoint=45, max_codepoint=115), max_size=60))
def test_any_string_is_read_or_refused(counts):
    try:
        masks = Masks.from_rle([{"size": [8, 9], "counts": counts}])
    except ValueError:
        return
    assert masks.areas() == coco_mask.area([{"size": [8, 9], "counts": counts}])
    assert_same(Masks.from_rle(masks.to_rle()), masks.dense())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Masks.from_rle([]), "size_hw: expected"),
        (
            lambda: Masks.from_rle([{"size": [3, 4], "counts": "<"}], (4, 3)),
            r"expected \[4, 3\], got \[3, 4\]",
        ),
        (lambda: Masks.from_polygons([[[1, 1, 5, 5]]], (9, 9)), r"at least 3 .* got shape \(4,\)"),
        (lambda: Masks.from_polygons([[[1, 1, 5, 5, 2, 7, 3]]], (9, 9)), r"got shape \(7,\)"),
        (lambda: Masks.from_polygons([[[1, 1, 5, 5, 2, np.nan]]], (9, 9)), "finite"),
        (lambda: Masks.from_dense(np.zeros((2, 3, 3))), r"got float64 \(2, 3, 3\)"),
        (lambda: Masks.from_dense(np.zeros((3, 3), dtype=bool)), r"got bool \(3, 3\)"),
        (lambda: Masks((3, 3), (np.ones((2, 2), dtype=bool),), [(2, 2)]), "inside the 3 x 3 image"),
        (lambda: Masks((3, 3), (np.ones((2, 2)),), [(0, 0)]), "expected a bool array"),
        (lambda: Masks((3, 3), (), [(0, 0)]), r"expected shape \(0, 2\), got \(1, 2\)"),
        (lambda: Masks.empty((2, 3)).iou(Masks.empty((3, 2))), r"of \(2, 3\), got \(3, 2\)"),
    ],
)
def test_messages_name_expected_and_actual(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_polygons_of_several_parts_and_of_none():
    two_squares = [[0, 0, 3, 0, 3, 3, 0, 3], [6, 6, 9, 6, 9, 9, 6, 9]]
    masks = Masks.from_polygons([two_squares, []], (10, 10))
    assert masks.areas().tolist() == [18, 0]
    assert masks.boxes_xyxy().tolist() == [[0, 0, 9, 9], [0, 0, 0, 0]]


def test_large_photo_needs_no_full_size_mask():
    crop = np.ones((400, 400), dtype=bool)
    huge = (60_000, 60_000)  # 3.6 GB, were it ever dense
    masks = Masks.from_crops([crop], [(59_600, 59_600)], huge)
    again = Masks.from_rle(masks.to_rle())
    assert again.crops[0].shape == (400, 400)
    assert again.boxes_xyxy().tolist() == [[59_600, 59_600, 60_000, 60_000]]
    assert masks.union().areas().tolist() == [160_000]


def test_masks_never_change_with_the_arrays_they_came_from():
    crop = np.ones((2, 3), dtype=bool)
    view = crop[:, :2]
    view.setflags(write=False)  # yet what it is a view of can be written to
    offsets = np.array([[0, 0], [1, 1]])
    masks = Masks((4, 5), (crop, view), offsets)
    crop[:] = False
    offsets[:] = 0
    assert masks.areas().tolist() == [6, 4]
    assert masks.offsets_yx.tolist() == [[0, 0], [1, 1]]
    for array in (*masks.crops, masks.offsets_yx):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0


def test_read_only_crops_are_not_copied():
    crop = np.ones((2, 3), dtype=bool)
    crop.setflags(write=False)
    masks = Masks.from_crops([crop], [(0, 0)], (4, 5))
    assert np.shares_memory(masks.crops[0], crop)
    assert np.shares_memory(masks[[0]].crops[0], crop)
