"""Runs a model over many small photos and shows that memory stays flat; run by hand.

    python tests/flat_memory.py 10000

The peak after the first tenth of the photos may grow by little until the last one.
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from stand_in import TINY_CARD, stand_in_model

from instseg.core.events import Event, Progress
from instseg.files.image_writing import write_image
from instseg.predict.folder import predict_folder
from instseg.predict.photos import name_photos
from instseg.predict.pictures import Pictures
from instseg.predict.predictor import Predictor
from instseg.scenes.scene import draw_scene
from instseg.system.memory import highest_memory_bytes

ALLOWED_MB = 16  # and a kilobyte for each photo, whose name and results are kept


def main() -> int:
    """Returns 0 when memory stays flat."""
    photos = int(sys.argv[1])
    peaks_mb = {}

    def note_peak(event: Event) -> None:
        if isinstance(event, Progress) and event.task == "finding instances":
            peaks_mb[event.done] = highest_memory_bytes() / 1e6

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_image(folder / "scene.jpg", draw_scene(0).image[:60, :80])
        links = [folder / f"{number:06}.jpg" for number in range(photos)]
        for link in links:
            link.hardlink_to(folder / "scene.jpg")
        model = Predictor(
            stand_in_model(TINY_CARD), device="cpu", score_threshold=0.3, max_detections=3
        )
        pictures = Pictures(overlay=False, semantic_map=True)
        done = predict_folder(
            model,
            name_photos(links),
            folder / "out",
            pictures=pictures,
            csv=True,
            to="label-studio",
            on_event=note_peak,
        )
    early, late = peaks_mb[photos // 10], highest_memory_bytes() / 1e6
    print(
        f"{done.done} photos, {sum(done.counts.values())} instances, {done.seconds:.0f} s; "
        f"peak {early:.0f} MB after a tenth, {late:.0f} MB in the end"
    )
    return int(done.done < photos or late - early > ALLOWED_MB + photos / 1000)


if __name__ == "__main__":
    sys.exit(main())
