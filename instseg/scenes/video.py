"""Writes drawn videos: an MP4 file, its frames as images, and COCO JSON with tracks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from instseg.core.errors import InputError
from instseg.core.events import OnEvent, ignore, told
from instseg.core.json_types import Json
from instseg.files.image_writing import write_image
from instseg.files.video_source import NEEDS_PYAV
from instseg.scenes.moving import FRAME_RATE, draw_video
from instseg.scenes.scene import SceneConfig, true_annotations, write_annotations
from instseg.system.atomic import replacing

VIDEO_NAME = "video.mp4"
QUALITY = "18"  # constant rate factor of H.264: hardly a difference that is seen


def write_video(
    folder: str | Path,
    frames: int,
    config: SceneConfig | None = None,
    *,
    on_event: OnEvent = ignore,
) -> Path:
    """Write a drawn video of 25 frames per second.

    Args:
        folder: Gets `video.mp4` (H.264), its frames as `images/000000.jpg` (quality 95) and on,
            and `annotations.json`.
        frames: Number of frames.
        config: What is drawn, as `draw_video` reads it; height and width must be even.
        on_event: Called with progress.

    Returns:
        The path of `annotations.json`: COCO with `videos`, images with `video_id` and
        `frame_index` (from 0), and annotations with `track_id` (from 1) beside the visible masks.

    Raises:
        InputError: PyAV is not installed, or the folder cannot be written.
    """
    folder, config = Path(folder), config or SceneConfig()
    height, width = config.size_hw
    size = {"width": width, "height": height}
    video = {"id": 1, "name": VIDEO_NAME, "fps": FRAME_RATE, "length": frames, **size}
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    with _mp4(folder / VIDEO_NAME, config.size_hw) as write:
        drawn = told(draw_video(frames, config), on_event, "drawing", total=frames)
        for index, frame in enumerate(drawn):
            file_name = f"{index:06d}.jpg"
            write(frame.image)
            write_image(folder / "images" / file_name, frame.image)
            images.append(
                {"id": index, "file_name": file_name, **size, "video_id": 1, "frame_index": index}
            )
            rows = zip(frame.track_ids.tolist(), true_annotations(frame.instances), strict=True)
            for track_id, annotation in rows:
                own = {"id": len(annotations) + 1, "image_id": index, "track_id": track_id}
                annotations.append(own | annotation)
    document: Json = {
        "info": {"description": "Drawn video"},
        "videos": [video],
        "images": images,
        "annotations": annotations,
    }
    return write_annotations(folder, document, config.classes)


@contextmanager
def _mp4(path: Path, size_hw: tuple[int, int]) -> Iterator[Any]:
    """A function that appends a frame, uint8 RGB (H, W, 3), to a new MP4 file."""
    try:
        import av
    except ImportError:
        raise InputError(NEEDS_PYAV) from None
    with replacing(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FRAME_RATE, options={"crf": QUALITY})
        stream.height, stream.width = size_hw
        stream.pix_fmt = "yuv420p"

        def write(image: Any) -> None:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))

        yield write
        container.mux(stream.encode())
