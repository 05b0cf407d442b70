"""What a comparison says of its figures."""

from instseg.comparison.verdict import verdict


def a_difference(value, limits, p):
    significant = None if p is None else p < 0.05
    return {"difference": value, "interval": limits, "p": p, "significant": significant}


def judged(mean, *classes, images=60):
    """The verdict on classes that are in `images` each, or in the images given for each."""
    of_class = images if isinstance(images, tuple) else (images,) * len(classes)
    rows = [{"class": f"class {i}", "IoU": each} for i, each in enumerate(classes)]
    return verdict(
        {
            "per_image": [{}] * max(of_class, default=60),
            "semantic": {
                "difference": {"scores": {"mIoU": mean}, "per_class": rows},
                "unet": {"per_class": [{"images": number} for number in of_class]},
            },
        }
    )


def test_the_answer_in_words():
    better, worse = a_difference(0.043, (0.031, 0.055), 0.0), a_difference(-0.2, (-0.3, -0.1), 0.01)
    unsure = a_difference(0.01, (-0.01, 0.03), 0.4)
    answer, where = judged(better, better, worse, unsure)
    assert answer == "Mask R-CNN is better by 0.043 mIoU (0.031 to 0.055)"
    assert where.startswith(
        "Mask R-CNN is better in 1 (class 0) of 3 classes, the U-Net in 1 (class 1);"
    )
    answer, where = judged(worse, unsure, a_difference(None, None, None))
    assert answer == "The U-Net is better by 0.200 mIoU (0.100 to 0.300)"
    assert where.startswith("Mask R-CNN is better in none of 1 class, the U-Net in none;")
    assert judged(unsure)[0] == (
        "No difference in mIoU that these 60 images can show (Mask R-CNN +0.010, -0.010 to +0.030)"
    )
    assert judged(a_difference(0.0, None, 1.0))[0] == "No difference: both have the same mIoU"


def test_classes_in_few_images_are_not_counted_as_tested():
    untested = a_difference(0.04, None, None)
    answer, where, doubt = judged(untested, untested, images=1)
    assert answer == "1 image cannot tell whether the difference of +0.040 mIoU is real"
    assert where == "No class could be tested"
    assert doubt == "1 of 1 class is in fewer than 10 images: too few to test"
    better = a_difference(0.043, (0.031, 0.055), 0.0)
    _, where, doubt = judged(better, better, untested, images=(60, 9))
    assert where.startswith("Mask R-CNN is better in 1 (class 0) of 1 class, the U-Net in none;")
    assert doubt.startswith("1 of 2 classes is in fewer than 10 images: too few to test, and the")
