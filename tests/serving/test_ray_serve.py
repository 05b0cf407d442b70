"""The deployment file of the documentation, on a local cluster."""

import socket
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("ray.serve", reason="needs ray[serve], which the extra dev has")
pytest.importorskip("fastapi", reason="needs the extra serve")

from running_service import Running

from instseg.predict.predictor import Predictor
from instseg.scenes.scene import SceneConfig, draw_scene

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "300",  # the machine may be busy
}
DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture
def cluster(monkeypatch):
    """A Ray cluster of this machine; the port of its service."""
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)
    import ray
    from ray import serve

    monkeypatch.syspath_prepend(DOCS)  # replicas get the path of this process
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        yield port
    finally:
        serve.shutdown()
        ray.shutdown()


def test_it_answers_as_the_predictor(cluster, tiny_weights):
    from ray import serve
    from ray_serve import build

    arguments = {"weights": str(tiny_weights), "least": "1", "most": "1"}
    serve.run(build(arguments))
    service, predictor = Running(cluster), Predictor(tiny_weights)
    for seed in range(3):
        image = draw_scene(seed, SceneConfig(size_hw=(64, 64))).image
        photo = BytesIO()
        Image.fromarray(image).save(photo, "PNG")
        reply = service.ask(body=photo.getvalue())
        assert reply.status == 200
        rles = [each["segmentation"] for each in reply.json["instances"]]
        assert rles == predictor(image).masks.to_rle()
    assert service.ask("/health").json["status"] == "ready"
    assert service.ask(body=b"no photo").status == 422
