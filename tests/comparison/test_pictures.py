"""Which images a comparison draws."""

from instseg.comparison.pictures import choose


def test_which_images_are_drawn():
    pairs = [(0.9, 0.9), (0.1, 0.8), (0.8, 0.1), (None, None), (0.2, 0.2), (0.5, 0.6)]
    images = [{"unet": unet, "mask_rcnn": ours} for unet, ours in pairs]
    chosen = choose(images, 1)
    assert chosen == {
        "difference_mask_rcnn.png": [1],
        "difference_median.png": [0],
        "difference_unet.png": [2],
        "overall_best.png": [0],
        "overall_median.png": [1],
        "overall_worst.png": [4],
    }
    assert choose(images, 2)["difference_unet.png"] == [2, 4]
    assert all(sorted(rows) == [0, 1, 2, 4, 5] for rows in choose(images, 9).values())
    assert choose(images, 0) == {}
    assert choose(images[3:4], 3) == {}
