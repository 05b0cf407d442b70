"""Runs a model over a long video of small frames and shows that memory stays flat; run by hand.

    python tests/flat_memory_video.py 10000

The peak after the first tenth of the frames may grow by little until the last one.
"""

import os
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from stand_in import TINY_CARD, stand_in_model

from instseg.core.events import Event, Progress
from instseg.predict.predictor import Predictor
from instseg.scenes.scene import draw_scene
from instseg.system.memory import highest_memory_bytes
from instseg.video.predict_video import predict_video
from instseg.video.writer import VideoWriter

ALLOWED_MB = 16  # and a kilobyte for each frame, whose name is kept
RATE = 30


def main() -> int:
    """Returns 0 when memory stays flat."""
    frames = int(sys.argv[1])
    peaks_mb = {}

    def note_peak(event: Event) -> None:
        if isinstance(event, Progress) and event.task == "finding instances":
            peaks_mb[event.done] = highest_memory_bytes() / 1e6

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scene = draw_scene(0).image
        writer = VideoWriter(folder / "clip.mp4", time_base=Fraction(1, 600), rate=RATE)
        for number in range(frames):
            left = number % (scene.shape[1] - 80)
            writer.add(scene[:60, left : left + 80], number / RATE)
        writer.close()
        model = Predictor(
            stand_in_model(TINY_CARD), device="cpu", score_threshold=0.3, max_detections=3
        )
        done = predict_video(model, folder / "clip.mp4", folder / "out", on_event=note_peak)
    early, late = peaks_mb[frames // 10], highest_memory_bytes() / 1e6
    print(
        f"{done.frames} frames, {sum(done.instances.values())} instances, "
        f"{sum(done.counts.tracks.values())} tracks, {done.seconds:.0f} s; "
        f"peak {early:.0f} MB after a tenth, {late:.0f} MB in the end"
    )
    return int(done.frames < frames or late - early > ALLOWED_MB + frames / 1000)


if __name__ == "__main__":
    sys.exit(main())
