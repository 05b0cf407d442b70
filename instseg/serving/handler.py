"""From the bytes of photos to answers: what a worker does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import InputError
from instseg.core.instances import Instances
from instseg.files.image import decode_image
from instseg.files.image_writing import as_png
from instseg.files.photo_header import DECODER_BYTES, PhotoHeader, header_of, open_photo
from instseg.files.quiet import quiet_decoders
from instseg.files.results import coco_annotations
from instseg.predict.pipeline import attempt, described, lacks_memory
from instseg.predict.predictor import Predictor
from instseg.serving.messages import Answer, Job, MaskForm, refused
from instseg.system.budget import Need
from instseg.visualize.draw import draw_instances

TOO_LARGE, UNREADABLE, BROKEN = 413, 422, 500  # statuses of HTTP


class Handler:
    """Answers jobs, several at once.

    Args:
        predictor: Finds the instances.
        max_pixels: Photos with more are refused before they are decoded.
    """

    def __init__(self, predictor: Predictor, max_pixels: int) -> None:
        self.predictor, self.max_pixels = predictor, max_pixels

    def answer(self, jobs: Sequence[Job]) -> list[Answer]:
        """The answer to each job; a photo that fails does not fail the others."""
        answers: dict[int, Answer] = {}
        for rows in self._together(jobs, answers):
            images: dict[int, NDArray[np.uint8]] = {}
            for row in rows:
                image = attempt(self._read, jobs[row])
                if isinstance(image, Exception):
                    answers[row] = self._refusal(jobs[row], image)
                else:
                    images[row] = image
            answers |= self._predicted(jobs, images)
        return [answers[row] for row in range(len(jobs))]

    def _together(self, jobs: Sequence[Job], answers: dict[int, Answer]) -> Iterator[list[int]]:
        """The jobs, by number, that fit into the memory together; refuses those that do not."""
        rows: list[int] = []
        needs: list[Need] = []
        plan = self.predictor.plan
        for row, job in enumerate(jobs):
            problem = attempt(self._need, job)
            if isinstance(problem, Exception):
                answers[row] = self._refusal(job, problem)
                continue
            if rows and not plan.fits(*needs, problem):
                yield rows
                rows, needs = [], []
            rows.append(row)
            needs.append(problem)
        if rows:
            yield rows

    def _need(self, job: Job) -> Need:
        """The memory that a photo needs; InputError if it is too large."""
        try:
            with quiet_decoders, open_photo(BytesIO(job.content)) as opened:
                header = header_of(opened)
        except Exception:  # decoding it says why
            header = PhotoHeader(stored_wh=(0, 0), decoder_bytes=DECODER_BYTES)
        width, height = header.upright_wh
        if width * height > self.max_pixels:
            raise TooLargeError(
                f"{job.name}: {width} x {height} pixels are more than the limit of "
                f"{self.max_pixels:,}; make the image smaller"
            )
        plan = self.predictor.plan
        need = plan.need((height, width), pictures=job.picture, decoder=header.decoder_bytes)
        try:
            plan.require(job.name, need)
        except InputError as problem:
            raise TooLargeError(str(problem)) from None
        return need

    def _read(self, job: Job) -> NDArray[np.uint8]:
        return decode_image(job.content, job.name, max_pixels=self.max_pixels)

    def _predicted(
        self, jobs: Sequence[Job], images: dict[int, NDArray[np.uint8]]
    ) -> dict[int, Answer]:
        groups: dict[tuple[float | None, int | None], list[int]] = {}
        for row in images:
            job = jobs[row]
            groups.setdefault((job.score_threshold, job.max_detections), []).append(row)
        answers: dict[int, Answer] = {}
        for limits, rows in groups.items():
            found = self._found(limits, [images[row] for row in rows])
            for row, each in zip(rows, found, strict=True):
                made = attempt(self._made, jobs[row], images[row], each)
                if isinstance(made, Exception):
                    made = self._refusal(jobs[row], made)
                answers[row] = made
        return answers

    def _found(
        self, limits: tuple[float | None, int | None], images: list[NDArray[np.uint8]]
    ) -> Sequence[Instances | Exception]:
        """What is in each image, or why nothing is; if a batch fails, one image after another."""
        score_threshold, max_detections = limits
        predictor = attempt(
            lambda: self.predictor.limited(
                score_threshold=score_threshold, max_detections=max_detections
            )
        )
        if isinstance(predictor, Exception):
            return [predictor] * len(images)
        found = attempt(predictor.predict_batch, images)
        if not isinstance(found, Exception):
            return found
        if len(images) == 1:
            return [found]
        return [each for image in images for each in self._found(limits, [image])]

    def _made(self, job: Job, image: NDArray[np.uint8], found: Instances | Exception) -> Answer:
        if isinstance(found, Exception):
            raise found
        if job.picture:
            return Answer(200, as_png(draw_instances(image, found)), "image/png")
        return Answer(200, self.as_json(found, job.masks))

    def as_json(self, found: Instances, masks: MaskForm = "rle") -> bytes:
        """Instances as the JSON of an answer; its form is `schema.Prediction`."""
        records = coco_annotations(found, self.predictor.category_ids, polygons=masks == "polygons")
        for name, record in zip(found.names, records, strict=True):
            record["category"] = name
            del record["iscrowd"]
            record.pop("rle", None)
            if masks == "none":
                del record["segmentation"]
        height, width = found.size_hw
        answer = {
            "width": width,
            "height": height,
            "weights": self.predictor.name,
            "instances": records,
        }
        return msgspec.json.encode(answer)

    def _refusal(self, job: Job, problem: Exception) -> Answer:
        if isinstance(problem, TooLargeError) or lacks_memory(problem):
            return refused(TOO_LARGE, described(job.name, problem))
        if isinstance(problem, InputError):
            return refused(UNREADABLE, str(problem))
        cause = described(job.name, problem)  # which may tell of this machine
        return refused(BROKEN, f"{job.name}: cannot be processed", cause)


class TooLargeError(InputError):
    """A photo has too many pixels, or needs too much memory."""
