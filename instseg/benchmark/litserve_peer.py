"""The peer of the service: LitServe, with the same predictor and the same answers.

Imported where LitServe is installed only.
"""

from __future__ import annotations

import litserve
import numpy as np
from fastapi import Response
from numpy.typing import NDArray

from instseg.core.instances import Instances
from instseg.files.image import decode_image
from instseg.system.allocation import keep_freed_memory


class PredictorApi(litserve.LitAPI):
    """Runs in each worker."""

    def __init__(self, weights: str, score_threshold: float) -> None:
        super().__init__()
        self._options = weights, score_threshold

    def setup(self, device: str) -> None:
        """Load the weights."""
        from instseg.predict.predictor import Predictor
        from instseg.serving.handler import Handler

        weights, score_threshold = self._options
        keep_freed_memory()
        self.predictor = Predictor(weights, device="cpu", score_threshold=score_threshold)
        self.predictor(np.zeros((64, 64, 3), np.uint8))
        self.handler = Handler(self.predictor, 100_000_000)

    def decode_request(self, request):  # type: ignore[no-untyped-def]
        """The photo of a form; LitServe reads the annotations, and takes forms without any."""
        return decode_image(request["photo"].file.read(), "photo")

    def predict(self, x: NDArray[np.uint8]) -> Instances:
        """Its instances."""
        return self.predictor(x)

    def encode_response(self, output):  # type: ignore[no-untyped-def]
        """The same JSON as ours."""
        return Response(self.handler.as_json(output), media_type="application/json")


def main(port: int, weights: str, score_threshold: float, workers: int) -> None:
    """Serve until the process is ended."""
    api = PredictorApi(weights, score_threshold)
    server = litserve.LitServer(
        api, accelerator="cpu", devices=1, workers_per_device=workers, timeout=120
    )
    server.run(
        host="127.0.0.1",
        port=port,
        num_api_servers=1,
        log_level="error",
        generate_client_file=False,
    )
