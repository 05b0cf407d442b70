"""Runs a model over many small photos, or a long video, and shows that memory stays flat.

    python tests/flat_memory.py photos 10000
    python tests/flat_memory.py video 10000

The peak after the first tenth of the photos or frames may grow by little until the last one.
"""

import os
import sys
import tempfile
from fractions import Fraction
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

ALLOWED_MB = 16  # and a kilobyte for each photo or frame, whose name and results are kept
RATE = 30


def main() -> int:
    """Returns 0 when memory stays flat."""
    run, number = RUNS[sys.argv[1]], int(sys.argv[2])
    peaks_mb = {}

    def note_peak(event: Event) -> None:
        if isinstance(event, Progress) and event.task == "finding instances":
            peaks_mb[event.done] = highest_memory_bytes() / 1e6

    model = Predictor(
        stand_in_model(TINY_CARD), device="cpu", score_threshold=0.3, max_detections=3
    )
    with tempfile.TemporaryDirectory() as name:
        done, found = run(model, Path(name), number, note_peak)
    early, late = peaks_mb[number // 10], highest_memory_bytes() / 1e6
    print(f"{found}; peak {early:.0f} MB after a tenth, {late:.0f} MB in the end")
    return int(done < number or late - early > ALLOWED_MB + number / 1000)


def photos(model, folder, number, note_peak):
    write_image(folder / "scene.jpg", draw_scene(0).image[:60, :80])
    links = [folder / f"{i:06}.jpg" for i in range(number)]
    for link in links:
        link.hardlink_to(folder / "scene.jpg")
    done = predict_folder(
        model,
        name_photos(links),
        folder / "out",
        pictures=Pictures(overlay=False, semantic_map=True),
        csv=True,
        to="label-studio",
        on_event=note_peak,
    )
    instances = sum(done.counts.values())
    return done.done, f"{done.done} photos, {instances} instances, {done.seconds:.0f} s"


def video(model, folder, number, note_peak):
    from instseg.video.predict_video import predict_video
    from instseg.video.writer import VideoWriter

    scene = draw_scene(0).image
    writer = VideoWriter(folder / "clip.mp4", time_base=Fraction(1, 600), rate=RATE)
    for i in range(number):
        left = i % (scene.shape[1] - 80)
        writer.add(scene[:60, left : left + 80], i / RATE)
    writer.close()
    done = predict_video(model, folder / "clip.mp4", folder / "out", on_event=note_peak)
    instances, tracks = sum(done.instances.values()), sum(done.counts.tracks.values())
    found = f"{done.frames} frames, {instances} instances, {tracks} tracks, {done.seconds:.0f} s"
    return done.frames, found


RUNS = {"photos": photos, "video": video}

if __name__ == "__main__":
    sys.exit(main())
