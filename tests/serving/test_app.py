"""`make_app`: the application in a server of one's own."""

from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("uvicorn", reason="needs the extra serve")

from running_service import served_here

import instseg
from instseg.core.errors import InputError
from instseg.core.events import Warned
from instseg.predict.memory import CAUTION
from instseg.predict.predictor import Predictor
from instseg.scenes.scene import SceneConfig, draw_scene


def drawn(seed: int, size_hw=(64, 64)):
    """A photo, and its file."""
    image, file = draw_scene(seed, SceneConfig(size_hw=size_hw)).image, BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return image, file.getvalue()


def rles(reply):
    assert reply.status == 200, reply.body
    return [each["segmentation"] for each in reply.json["instances"]]


def test_it_answers_as_its_predictor(tiny_weights):
    predictor = Predictor(tiny_weights, score_threshold=0.2)
    with served_here(instseg.make_app(predictor, api_key="")) as service:
        for seed in range(3):
            image, photo = drawn(seed)
            assert rles(service.ask(body=photo)) == predictor(image).masks.to_rle()
        assert service.ask("/health").json["status"] == "ready"


def test_the_key_may_come_from_the_environment(tiny_weights, monkeypatch):
    monkeypatch.setenv("INSTSEG_API_KEY", "from outside")
    with served_here(instseg.make_app(Predictor(tiny_weights))) as service:
        photo = drawn(0)[1]
        assert service.ask(body=photo).status == 401
        assert service.ask(body=photo, headers={"X-API-Key": "from outside"}).status == 200


def test_a_number_that_is_too_large_stops_nothing(tiny_weights):
    with served_here(instseg.make_app(Predictor(tiny_weights), api_key="")) as service:
        assert service.ask(f"/predict?max_detections={10**30}", drawn(0)[1]).status == 422
        assert service.ask(body=drawn(0)[1]).status == 200


def test_a_photo_that_needs_too_much_memory_is_413(tiny_weights):
    predictor = Predictor(tiny_weights)
    plan = predictor.plan
    room = plan.peak_bytes([plan.need((64, 64))]) - plan.base_bytes
    lanes = predictor.workers().count
    limit = (plan.base_bytes + 1.2 * lanes * room) * CAUTION
    predictor.plan = replace(plan, limit_bytes=limit)
    with served_here(instseg.make_app(predictor, api_key="")) as service:
        assert service.ask(body=drawn(0, (64, 64))[1]).status == 200
        large = BytesIO()
        Image.new("RGB", (2000, 2000)).save(large, "PNG")
        reply = service.ask(body=large.getvalue())
        assert reply.status == 413
        assert reply.json["detail"].startswith("photo: needs ")


def test_what_nobody_foresaw_is_told_to_the_owner_alone(tiny_weights):
    predictor, events = Predictor(tiny_weights), []
    predictor._detector = None  # a network that cannot be called
    app = instseg.make_app(predictor, api_key="", on_event=events.append)
    with served_here(app) as service:
        reply = service.ask(body=drawn(0)[1])
        assert (reply.status, reply.json) == (500, {"detail": "photo: cannot be processed"})
    assert [type(event) for event in events] == [Warned]
    assert "NoneType" in events[0].text


def test_limits_are_those_of_a_new_predictor(tiny_weights):
    image = drawn(1)[0]
    limited = Predictor(tiny_weights, flip=True).limited(score_threshold=0.1, max_detections=3)
    new = Predictor(tiny_weights, flip=True, score_threshold=0.1, max_detections=3)
    assert limited(image).masks.to_rle() == new(image).masks.to_rle()
    assert limited.describe_threshold() == new.describe_threshold()
    with pytest.raises(InputError, match="max_detections"):
        limited.limited(max_detections=4)
