"""What the service counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
PHOTOS = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The metrics of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.requests = Counter(
            "instseg_requests", "Requests to /predict, by status", ["status"], registry=registry
        )
        self.seconds = Histogram(
            "instseg_request_seconds",
            "From the first byte of a request to its answer, of those with status 200",
            buckets=SECONDS,
            registry=registry,
        )
        self.inside = Gauge(
            "instseg_requests_in_progress",
            "Requests that are received, wait, or are predicted",
            registry=registry,
        )
        self.queued = Gauge("instseg_queue_length", "Photos that wait", registry=registry)
        self.batches = Histogram(
            "instseg_batch_size", "Photos of a batch", buckets=PHOTOS, registry=registry
        )
        self.photos = Counter("instseg_photos", "Photos predicted", registry=registry)
        self.workers = Gauge("instseg_workers", "Workers that are ready", registry=registry)
        self.restarts = Counter(
            "instseg_worker_restarts", "Workers that ended and were replaced", registry=registry
        )

    def value(self, name: str) -> int:
        """A counter, by its name in the text format."""
        return int(self.registry.get_sample_value(name) or 0)

    def text(self) -> bytes:
        """All of them in the text format of Prometheus."""
        return generate_latest(self.registry)
