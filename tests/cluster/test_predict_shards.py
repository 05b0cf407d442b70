"""Photos on a Ray cluster: the results of `infer`, whatever is lost on the way."""

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import instseg
from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import PhotoFailed, Progress
from instseg.files.image_writing import write_image
from instseg.files.storage import write_bytes
from instseg.predict.folder import predict_folder
from instseg.predict.photos import name_photos
from instseg.predict.pictures import Pictures
from instseg.predict.predictor import Predictor

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None or importlib.util.find_spec("pyarrow") is None,
    reason="ray or pyarrow is not installed: pip install 'instseg[scale]'",
)

COUNT = 40  # photos: five shards of eight
NODES = 3
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Tiny photos, of which one is damaged."""
    scenes = instseg.make_scenes(out=tmp_path_factory.mktemp("scenes"), images=COUNT - 1, size=64)
    (scenes.images / "damaged.jpg").write_bytes(b"no photo")
    return scenes.images


@pytest.fixture(scope="module")
def plain(photos, tmp_path_factory):
    """predictions.json of `infer` without Ray."""
    out = tmp_path_factory.mktemp("plain")
    paths = name_photos(sorted(photos.iterdir()))
    predictor = Predictor("demo", device="cpu")
    predict_folder(predictor, paths, out, pictures=Pictures(overlay=False), csv=True)
    return out


@pytest.fixture(scope="module")
def s3():
    """The address of a server of S3 on this machine; None where moto is not installed."""
    if importlib.util.find_spec("moto") is None:
        yield None
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        while True:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            assert server.poll() is None, "moto has ended"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
        server.kill()


@pytest.fixture(scope="module")
def cluster(s3):
    """A cluster of three machines of one core each, as far as Ray can tell."""
    import ray
    from ray.cluster_utils import Cluster

    before = dict(os.environ)
    os.environ.update(QUIET)
    if s3:
        keys = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "test")
        os.environ.update(keys | {"AWS_ENDPOINT_URL": s3, "AWS_DEFAULT_REGION": "us-east-1"})
    memory = {"object_store_memory": 80_000_000}
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **memory})
    others = [nodes.add_node(num_cpus=1, **memory) for _ in range(NODES - 1)]
    yield nodes, others
    nodes.shutdown()
    ray.shutdown()
    os.environ.clear()
    os.environ.update(before)


def document(folder):
    return json.loads((folder / "predictions.json").read_text())


def predict(photos, out, ray, **options):
    given = {"weights": "demo", "device": "cpu", "predictions_json": True, **options}
    return instseg.predict_shards(photos, out=out, ray=ray, **given)


def test_a_local_cluster_finds_what_infer_finds(photos, plain, tmp_path, capfd):
    told = []
    environment, imported = dict(os.environ), "ray" in sys.modules
    handler = signal.getsignal(signal.SIGTERM)
    made = {"csv": True, "semantic_map": True, "report": True}
    done = predict(photos, tmp_path, "local", **made, on_event=told.append)
    assert (done.done, done.skipped, done.failed) == (COUNT, 0, ("damaged.jpg",))
    assert document(tmp_path) == document(plain)
    assert (tmp_path / "instances.csv").read_text() == (plain / "instances.csv").read_text()
    assert len(list((tmp_path / "labels").glob("*.png"))) == COUNT - 1
    assert "damaged.jpg" in (tmp_path / "report.html").read_text()
    failed = [each for each in told if isinstance(each, PhotoFailed)]
    assert [each.name for each in failed] == ["damaged.jpg"]
    assert "not an image" in failed[0].text
    assert capfd.readouterr() == ("", "")
    assert (dict(os.environ), signal.getsignal(signal.SIGTERM)) == (environment, handler)
    assert ("ray" in sys.modules) == imported

    with pytest.raises(ArgumentError, match="holds the shards of an earlier job"):
        predict(photos, tmp_path, "local")
    with pytest.raises(ArgumentError, match="was made with preset"):
        predict(photos, tmp_path, "local", preset="fast", resume=True)
    again = predict(photos, tmp_path, "local", resume=True)
    assert (again.done, again.skipped, again.counts) == (0, COUNT, {})


def test_a_lost_machine_changes_nothing(photos, plain, cluster, tmp_path):
    nodes, others = cluster

    def lose_one(event):
        if isinstance(event, Progress) and event.done and len(others) == NODES - 1:
            nodes.remove_node(others.pop(), allow_graceful=False)

    done = predict(photos, tmp_path, nodes.address, on_event=lose_one)
    assert len(others) == NODES - 2, "a machine was lost"
    assert (done.done, done.workers) == (COUNT, NODES)
    assert document(tmp_path) == document(plain)


KILLED = """
import os, signal, sys
import instseg
from instseg.core.events import Progress

def die(event):
    if isinstance(event, Progress) and event.done:
        os.kill(os.getpid(), signal.SIGKILL)

instseg.predict_shards(sys.argv[1], out=sys.argv[2], ray=sys.argv[3], weights="demo", device="cpu",
                       on_event=die)
"""


def test_a_killed_job_is_resumed(photos, plain, cluster, tmp_path):
    arguments = [str(photos), str(tmp_path), cluster[0].address]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False)
    assert killed.returncode == -signal.SIGKILL
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("part-*.parquet")}
    done = predict(photos, tmp_path, cluster[0].address, resume=True)
    assert done.skipped >= 8 * len(times) and done.done + done.skipped == COUNT
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert document(tmp_path) == document(plain)


def kill_whoever_opens(path, until):
    """End every process that reads a file, as the system does when memory runs out."""
    while not until.is_set():
        for link in Path("/proc").glob("[0-9]*/fd/*"):
            with suppress(OSError):
                if link.readlink() == path:
                    os.kill(int(link.parts[2]), signal.SIGKILL)
        time.sleep(0.005)


def test_a_photo_that_ends_its_worker_is_a_row_with_an_error(cluster, tmp_path):
    folder = tmp_path / "photos"
    for number in range(10):
        write_image(folder / f"{number}.png", np.full((64, 64, 3), 90, np.uint8))
    noise = np.random.default_rng(0).integers(0, 256, (3000, 3000, 3), dtype=np.uint8)
    write_image(folder / "huge.png", noise)  # takes long enough to be seen while it is read
    over = threading.Event()
    hunter = threading.Thread(target=kill_whoever_opens, args=[folder / "huge.png", over])
    hunter.start()
    try:
        done = predict(folder, tmp_path / "out", cluster[0].address)
    finally:
        over.set()
        hunter.join()
    assert (done.done, done.failed) == (11, ("huge.png",))
    rows = {photo.name: photo for photo in instseg.Shards(done.folder)}
    assert "its worker ended in each of 4 attempts" in rows["huge.png"].error
    assert all(rows[f"{number}.png"].error is None for number in range(10))


def test_photos_and_shards_lie_in_s3(photos, plain, cluster, s3, tmp_path):
    if s3 is None:
        pytest.skip("moto is not installed: pip install 'moto[server]'")
    from pyarrow import fs

    server = {"endpoint_override": s3.removeprefix("http://"), "scheme": "http"}
    fs.S3FileSystem(allow_bucket_creation=True, **server).create_dir("bucket")
    for path in [*sorted(photos.iterdir())[:8], photos / "damaged.jpg"]:
        write_bytes(f"s3://bucket/photos/a b/{path.name}", path.read_bytes())
    given = {"weights": "demo", "device": "cpu", "ray": cluster[0].address}
    done = instseg.predict_shards("s3://bucket/photos/*/*", out="s3://bucket/found", **given)
    assert (done.done, done.failed) == (9, ("damaged.jpg",))
    rows = {photo.name: photo for photo in instseg.Shards("s3://bucket/found/shards")}
    assert rows["damaged.jpg"].error.startswith("s3://bucket/photos/a b/damaged.jpg: not an image")
    found = {name: len(photo.found) for name, photo in rows.items() if photo.found is not None}
    images = {each["id"]: each["file_name"] for each in document(plain)["images"]}
    expected = Counter(images[each["image_id"]] for each in document(plain)["annotations"])
    assert found == {name: expected[name] for name in found} and len(found) == 8
    again = instseg.predict_shards(
        "s3://bucket/photos/*/*", out="s3://bucket/found", resume=True, **given
    )
    assert (again.done, again.skipped) == (0, 9)


def test_options_that_do_not_go_together_are_told_before_anything_starts(tmp_path):
    for wrong, message in (
        ({"polygons": True}, "polygons and coco_json need predictions_json"),
        ({"out": Path("s3://bucket/found"), "csv": True}, "need a local out='s3://bucket/found'"),
        ({"ray": "there"}, "must be local, auto, or HOST:PORT"),
        ({"ray": "127.0.0.1:1"}, "no answer"),
    ):
        with pytest.raises(InputError, match=message):
            instseg.predict_shards(tmp_path, **{"out": tmp_path, "weights": "demo", **wrong})
    assert not list(tmp_path.rglob("*.parquet"))
