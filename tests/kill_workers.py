"""Kills workers of the service under overload and shows that no answer is lost; run by hand.

    python tests/kill_workers.py [REQUESTS]

More clients than the queue has places ask for the instances in photos that all differ, and ask
again when they are told to. Every second, a worker is killed. In the end each request must have the
answer that the predictor gives for its photo. The result of a run is in docs/serving.md.
"""

import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO

from PIL import Image
from running_service import Running, running

from instseg.predict.predictor import Predictor
from instseg.scenes.scene import SceneConfig, draw_scene
from instseg.serving.handler import Handler

CLIENTS, PHOTOS, WORKERS, QUEUE = 64, 40, 2, 16


def main() -> int:
    """Returns 0 when nothing was lost or mixed up."""
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    handler = Handler(Predictor("demo", score_threshold=0.1), 10_000_000)
    photos, expected = [], []
    for seed in range(PHOTOS):
        image = draw_scene(seed, SceneConfig(size_hw=(96, 96))).image
        file = BytesIO()
        Image.fromarray(image).save(file, "PNG")
        photos.append(file.getvalue())
        expected.append(json.loads(handler.as_json(handler.predictor(image))))
    assert len({json.dumps(each) for each in expected}) > PHOTOS // 2
    options = ["--weights", "demo", "--workers", str(WORKERS), "--queue", str(QUEUE)]
    statuses: Counter[int] = Counter()

    def ask(number: int) -> bool:
        while True:
            reply = service.ask(body=photos[number % PHOTOS])
            statuses[reply.status] += 1
            if reply.status not in (429, 503):
                return reply.status == 200 and reply.json == expected[number % PHOTOS]
            time.sleep(0.2)

    with running(*options, "--score-threshold", "0.1") as service:
        over = threading.Event()
        killer = threading.Thread(target=kill_workers, args=(service, over))
        killer.start()
        with ThreadPoolExecutor(CLIENTS) as clients:
            right = sum(clients.map(ask, range(requests)))
        over.set()
        killer.join()
        restarts = int(service.metric("instseg_worker_restarts_total"))
        service.process.send_signal(signal.SIGTERM)
        code = service.process.wait()
    print(f"{right} of {requests} requests have the right answer; {restarts} workers were replaced")
    print(f"answers by status: {dict(statuses)}; the service ended with {code}")
    return int(right != requests or code != 0)


def kill_workers(service: Running, over: threading.Event) -> None:
    """Kill one of the workers every few seconds, but never all at the same time."""
    chance = random.Random(0)
    while not over.wait(1.0):
        if service.ask("/health").json["workers"] == WORKERS:
            with suppress(ProcessLookupError):
                os.kill(chance.choice(service.workers()), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
