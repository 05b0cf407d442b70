"""A running service: what it answers, what it refuses, and that nothing is lost or mixed up."""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("uvicorn", reason="needs the extra serve")

from running_service import end_of, form, running, wait_until

from instseg.predict.predictor import Predictor
from instseg.scenes.scene import SceneConfig, draw_scene
from instseg.serving.handler import Handler
from instseg.serving.schema import Prediction
from instseg.visualize.draw import draw_instances

KEY = "a key"
OPTIONS = ["--workers", "2", "--queue", "4", "--max-bytes", "100kB", "--max-pixels", "20000"]


def png_of(image) -> bytes:
    file = BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def scenes():
    """Photos that differ, (64, 64, 3)."""
    return [draw_scene(seed, SceneConfig(size_hw=(64, 64))).image for seed in range(12)]


@pytest.fixture(scope="module")
def photos(scenes):
    return [png_of(image) for image in scenes]


@pytest.fixture(scope="module")
def predictor(tiny_weights):
    return Predictor(tiny_weights, score_threshold=0.2, max_detections=5)


@pytest.fixture(scope="module")
def service(tiny_weights):
    given = ["--weights", str(tiny_weights), "--score-threshold", "0.2", "--max-detections", "5"]
    with running(*given, *OPTIONS, "--body-timeout", "6", key=KEY) as started:
        yield started


def test_json_equals_the_predictors(service, predictor, photos, scenes):
    for photo, image in zip(photos[:3], scenes[:3], strict=True):
        found = predictor(image)
        assert len(found)
        reply = service.ask(body=photo)
        assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
        answer = Prediction.model_validate_json(reply.body)
        assert (answer.width, answer.height, answer.weights) == (64, 64, predictor.name)
        assert [each.category for each in answer.instances] == list(found.names)
        rles = [each["segmentation"] for each in reply.json["instances"]]
        assert rles == found.masks.to_rle()


def test_a_form_is_answered_as_the_photo_alone(service, photos):
    body, headers = form(("photo.png", photos[0]))
    assert service.ask(body=body, headers=headers).body == service.ask(body=photos[0]).body


def test_polygons_or_no_masks(service, predictor, photos, scenes):
    polygons = Prediction.model_validate(service.ask("/predict?masks=polygons", photos[0]).json)
    expected = predictor(scenes[0]).masks
    for each, parts, rle in zip(
        polygons.instances, expected.to_polygons(), expected.to_rle(), strict=True
    ):
        assert each.segmentation == parts if parts else each.segmentation.counts == rle["counts"]
    without = service.ask("/predict?masks=none", photos[0]).json
    assert without["instances"]
    assert not any("segmentation" in each for each in without["instances"])


@pytest.mark.parametrize(
    "way", [{"path": "/predict?format=png"}, {"headers": {"Accept": "image/png"}}]
)
def test_a_picture(service, predictor, photos, scenes, way):
    reply = service.ask(body=photos[1], **way)
    assert (reply.status, reply.headers["content-type"]) == (200, "image/png")
    drawn = np.asarray(Image.open(BytesIO(reply.body)))
    assert np.array_equal(drawn, draw_instances(scenes[1], predictor(scenes[1])))


def test_limits_of_one_request_are_those_of_a_predictor(service, tiny_weights, photos, scenes):
    reply = service.ask("/predict?score_threshold=0.1&max_detections=2", photos[2])
    found = Predictor(tiny_weights, score_threshold=0.1, max_detections=2)(scenes[2])
    assert [each["segmentation"] for each in reply.json["instances"]] == found.masks.to_rle()
    assert service.ask("/predict?max_detections=6", photos[2]).status == 422


@pytest.mark.parametrize(
    "query", ["score_threshold=2", "masks=png", "max_detections=many", "thresh=1"]
)
def test_a_wrong_option_is_one_line(service, photos, query):
    reply = service.ask(f"/predict?{query}", photos[0])
    assert reply.status == 422
    assert query.split("=")[0] in reply.json["detail"]


def test_what_is_no_photo_is_told_in_the_words_of_the_reader(service, photos):
    body, headers = form(("C:\\secret\\../../etc/pass\nwd.png", photos[0][:200]))
    reply = service.ask(body=body, headers=headers)
    assert reply.status == 422
    assert "damaged, cut off" in reply.json["detail"]
    assert "/" not in reply.json["detail"].split(":")[0]
    assert service.ask(body=b"").json == {"detail": "photo: the file is empty; copy it again"}
    assert service.ask(body=b"no image").json["detail"].startswith("photo: not an image; ")


@pytest.mark.parametrize("names", [(), ("a.png", "b.png")])
def test_a_form_holds_one_photo(service, photos, names):
    body, headers = form(*((name, photos[0]) for name in names))
    reply = service.ask(body=body, headers=headers)
    assert (reply.status, reply.json["detail"][:14]) == (422, "send one photo")


def test_too_many_bytes(service):
    noise = np.random.default_rng(0).integers(0, 255, 110_000, np.uint8).tobytes()
    assert service.ask(body=noise).status == 413
    chunks = iter([noise[:50_000]] * 3)  # without Content-Length
    assert service.ask(body=chunks).status == 413


def test_too_many_pixels_are_refused_by_the_header(service):
    bomb = png_of(np.zeros((2000, 2000), np.uint8))
    assert len(bomb) < 20_000
    reply = service.ask(body=bomb)
    assert reply.status == 413
    assert reply.json["detail"].startswith("photo: 2000 x 2000 pixels are more than the limit")


@pytest.mark.parametrize("path", ["/predict", "/metrics", "/docs", "/openapi.json", "/nothing"])
def test_the_key_is_needed(service, photos, path):
    body = photos[0] if path == "/predict" else None
    for headers in ({"X-API-Key": ""}, {"X-API-Key": "other"}):
        reply = service.ask(path, body, headers)
        assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
    given = {"X-API-Key": "", "Authorization": f"Bearer {KEY}"}
    assert service.ask(path, body, given).status == (404 if path == "/nothing" else 200)


def test_health_needs_no_key(service):
    reply = service.ask("/health", headers={"X-API-Key": ""})
    assert (reply.status, reply.json["status"], reply.json["workers"]) == (200, "ready", 2)
    assert service.ask("/health/live", headers={"X-API-Key": ""}).status == 200


def test_openapi_describes_answers(service):
    api = service.ask("/openapi.json").json
    post = api["paths"]["/predict"]["post"]
    assert set(post["responses"]) >= {"200", "401", "413", "422", "429", "503", "504"}
    assert set(post["requestBody"]["content"]) == {"multipart/form-data", "image/*"}
    assert "segmentation" in api["components"]["schemas"]["Instance"]["properties"]


def test_a_full_queue_is_429_and_a_slow_client_408(service, photos):
    held = [service.begin(len(photos[0]), photos[0][:10]) for _ in range(6)]
    wait_until(lambda: service.metric("instseg_requests_in_progress") == 6)
    refused = service.ask(body=photos[0])
    assert (refused.status, int(refused.headers["retry-after"]) >= 1) == (429, True)
    held[0].sendall(photos[0][10:])
    assert end_of(held[0]).status == 200
    assert {end_of(each).status for each in held[1:]} == {408}
    assert service.ask(body=photos[0]).status == 200
    for each in held:
        each.close()


def test_nothing_is_lost_or_mixed_up_while_a_worker_is_killed(service, predictor, photos, scenes):
    handler = Handler(predictor, 20_000)
    expected = [json.loads(handler.as_json(predictor(image))) for image in scenes]
    before = service.metric("instseg_photos_total")

    def ask_until_taken(number: int):
        while True:
            reply = service.ask(body=photos[number % len(photos)])
            if reply.status != 429:
                return reply

    with ThreadPoolExecutor(10) as clients:
        replies = [clients.submit(ask_until_taken, number) for number in range(120)]
        wait_until(lambda: service.metric("instseg_photos_total") > before + 10)
        os.kill(service.workers()[0], signal.SIGKILL)
        for number, reply in enumerate(replies):
            assert reply.result().status == 200
            assert reply.result().json == expected[number % len(photos)]
    wait_until(lambda: service.ask("/health").json["workers"] == 2)
    assert service.metric("instseg_worker_restarts_total") == 1
    assert service.metric('instseg_requests_total{status="429"}') > 0


def test_sigterm_answers_what_was_taken(tiny_weights, photos):
    given = ["--weights", str(tiny_weights), "--workers", "1", "--score-threshold", "0.2"]
    with running(*given) as service:
        held = service.begin(len(photos[0]), photos[0][:10])
        wait_until(lambda: service.metric("instseg_requests_in_progress") == 1)
        service.process.send_signal(signal.SIGTERM)
        wait_until(lambda: service.ask("/health").status == 503)
        assert service.ask("/health").json["status"] == "draining"
        refused = service.ask(body=photos[0])
        assert (refused.status, refused.json["detail"]) == (503, "the service is shutting down")
        held.sendall(photos[0][10:])
        assert end_of(held).status == 200
        assert service.process.wait() == 0
        assert service.process.stdout.read().endswith("1 photo predicted\n")
