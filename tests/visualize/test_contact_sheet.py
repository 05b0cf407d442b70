"""Contact sheets."""

import numpy as np

from instseg.visualize.contact_sheet import contact_sheet


def photo(height, width, grey=128):
    return np.full((height, width, 3), grey, np.uint8)


def test_photos_stand_in_rows():
    sheet = contact_sheet([(photo(100, 200), "a", "")] * 5, columns=3, tile_px=100)
    height, width = sheet.shape[:2]
    assert width < 3 * 120 and 2 * 100 < height < 2 * 160
    assert (sheet == 128).all(axis=2).sum() == 5 * 100 * 50  # each made smaller, and in full


def test_small_photos_stay_small_and_few_make_a_narrow_sheet():
    sheet = contact_sheet([(photo(10, 20), "", "")], tile_px=100)
    assert (sheet == 128).all(axis=2).sum() == 200
    assert sheet.shape[1] < 120


def test_a_warning_is_red_and_a_long_caption_does_not_run_over():
    words = "\ud800 \u4e2d\n " + "very long words " * 20
    sheet = contact_sheet([(photo(50, 50, 255), words, "box-outside")] * 2, tile_px=100)
    red = (sheet[..., 0] > 180) & (sheet[..., 1] < 60)
    assert red.any()
    gap = sheet[:, 108:116].reshape(-1, 3)
    assert (gap == 255).all()
