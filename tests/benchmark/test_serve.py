"""The load of `benchmark serve`: it counts every answer, and sees one that is not right."""

import json

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("uvicorn", reason="needs the extra serve")

from running_service import served_here

import instseg
from instseg.benchmark.serve import _expected, _figures, _load
from instseg.core.errors import InputError
from instseg.predict.predictor import Predictor


def test_a_load_checks_each_answer(tiny_weights, tmp_path):
    scenes = instseg.make_scenes(out=tmp_path, images=3, size=64)
    expected = _expected(sorted(scenes.images.iterdir()), str(tiny_weights))
    app = instseg.make_app(Predictor(tiny_weights, score_threshold=0.3), api_key="")
    with served_here(app) as service:
        load = _load(service.port, expected, 10, 3)
        figures = _figures([load], 10)
        assert len(load.seconds) == 10
        assert 0 < figures["p50_s"] <= figures["p99_s"] <= load.whole_s
        assert figures["photos_per_s"] == 10 / load.whole_s
        forms = list(expected)
        mixed_up = {**expected, forms[0]: json.loads(json.dumps(expected[forms[1]]))}
        mixed_up[forms[0]]["width"] += 1
        with pytest.raises(InputError, match="another answer"):
            _load(service.port, mixed_up, 3, 1)
