"""What the service tells its workers, and they answer: frames of MessagePack on a pipe.

Nothing is pickled: a worker reads photos of strangers, and what it answers is data only.
"""

from __future__ import annotations

from typing import Any, BinaryIO, Literal

import msgspec

LENGTH_BYTES = 8  # before each frame, big-endian

MaskForm = Literal["rle", "polygons", "none"]
State = Literal["ready", "loading", "restarting", "draining"]


class Setup(msgspec.Struct, frozen=True):
    """The first message to a worker.

    Attributes:
        predictor: Arguments of `Predictor`.
        max_pixels: Most pixels of a photo.
        threads: How many threads a worker on a CPU uses.
    """

    predictor: dict[str, Any]
    max_pixels: int
    threads: int


class Ready(msgspec.Struct, frozen=True):
    """The first answer of a worker.

    Attributes:
        problem: Why it cannot work: one line; empty if it can.
        values: With a problem of an argument: its values, for `ArgumentError`.
        weights: The name of the weights.
        gpus: How many GPUs there are for it to choose from; 0 if it runs on the CPU.
    """

    problem: str = ""
    values: dict[str, str] | None = None
    weights: str = ""
    gpus: int = 0


class Job(msgspec.Struct, frozen=True):
    """A photo to be predicted.

    Attributes:
        content: The bytes of its file.
        name: How errors name it.
        picture: Whether the answer is a PNG of the photo with its instances drawn on it.
        masks: The form of masks in JSON.
        score_threshold: Minimum score; None takes that of the service.
        max_detections: At most this many; None takes that of the service.
    """

    content: bytes
    name: str = "photo"
    picture: bool = False
    masks: MaskForm = "rle"
    score_threshold: float | None = None
    max_detections: int | None = None


class Answer(msgspec.Struct, frozen=True):
    """The answer to a job.

    Attributes:
        status: Of HTTP.
        body: JSON or PNG.
        media_type: Of the body.
        cause: For the log of the service: what happened that nobody foresaw; "" for nothing.
    """

    status: int
    body: bytes
    media_type: str = "application/json"
    cause: str = ""


def refused(status: int, problem: str, cause: str = "") -> Answer:
    """An answer that says in one line why there is no other."""
    return Answer(status, msgspec.json.encode({"detail": problem}), cause=cause)


class RefusedError(Exception):
    """A request is not taken.

    Args:
        status: Of HTTP.
        problem: Why, in one line.
        retry_after_s: When the client may try again; None if that is of no use.
    """

    def __init__(self, status: int, problem: str, retry_after_s: int | None = None) -> None:
        super().__init__(problem)
        self.status, self.problem, self.retry_after_s = status, problem, retry_after_s


def framed(message: object) -> bytes:
    """A message with its length."""
    content = msgspec.msgpack.encode(message)
    return len(content).to_bytes(LENGTH_BYTES, "big") + content


def read_frame(file: BinaryIO) -> bytes | None:
    """The next message from a pipe; None at its end."""
    length = file.read(LENGTH_BYTES)
    if len(length) < LENGTH_BYTES:
        return None
    expected = int.from_bytes(length, "big")
    content = file.read(expected)
    return content if len(content) == expected else None
