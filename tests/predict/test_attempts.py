"""Looking at many photos, of which some fail."""

import numpy as np

from instseg.core.events import PhotoFailed, Progress
from instseg.predict.attempts import attempted
from instseg.predict.predictor import Predictor
from instseg.scenes.scene import SceneConfig, write_scenes


def test_photos_that_fail_are_told_and_the_others_found(tmp_path, tiny_weights):
    write_scenes(tmp_path, 2, SceneConfig(size_hw=(64, 64), objects=(1, 2)))
    good = [tmp_path / "images" / f"00000{i}.jpg" for i in (0, 1)]
    (tmp_path / "broken.jpg").write_bytes(b"broken")
    paths = [good[0], tmp_path / "broken.jpg", tmp_path / "missing.jpg", good[1]]
    predictor = Predictor(tiny_weights, device="cpu", precision="fp32", score_threshold=0.05)
    told = []
    found = list(attempted(predictor, paths, predictor.predict_batch, on_event=told.append))
    assert [path for path, _ in found] == paths
    assert [instances is None for _, instances in found] == [False, True, True, False]
    failed = [each for each in told if isinstance(each, PhotoFailed)]
    assert [each.name for each in failed] == list(map(str, paths[1:3]))
    assert [e.done for e in told if isinstance(e, Progress)] == [0, 1, 2, 3, 4]

    glances = list(attempted(predictor, good, predictor.glance))
    for (_, glance), (_, instances) in zip(glances, (found[0], found[3]), strict=True):
        assert np.array_equal(glance.scores.numpy(), instances.scores)
        assert np.array_equal(glance.class_ids.numpy(), instances.class_ids)
        assert np.isfinite(glance.features.numpy()).all() and glance.features.ndim == 1
