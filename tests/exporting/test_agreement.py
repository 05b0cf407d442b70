"""What a certificate says in one line."""

import pytest

from instseg.exporting.agreement import Agreement


@pytest.mark.parametrize(
    ("unequal", "words"),
    [
        ((), "2 photos, 9 detections: boxes differ by 1.0e-04 px, scores by 2.0e-06, masks by "),
        (("a",), "masks by 3.0e-05; other detections in 1 photo"),
        (("a", "b"), "2 photos, 9 detections: other detections in each photo"),
    ],
)
def test_only_compared_photos_have_differences(unequal, words):
    found = Agreement(
        photos=2, detections=9, unequal=unequal, box_px=1e-4, score=2e-6, mask=3e-5, ap={}
    )
    assert words in str(found)
    assert ("differ" in str(found)) == (len(unequal) < 2)
