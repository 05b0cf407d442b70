"""The videos of `instseg infer`."""

from __future__ import annotations

import glob
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from instseg.commands.terminal import console, printable, table
from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import OnEvent, PhotoFailed
from instseg.core.wording import count
from instseg.files.listing import list_images
from instseg.files.storage import is_remote
from instseg.files.video_source import Source, camera_of, is_stream, is_video, shown
from instseg.predict.photos import LONGEST_NAME, shorten

if TYPE_CHECKING:
    from instseg.commands.infer_options import Options
    from instseg.predict.predictor import Predictor
    from instseg.video.predict_video import PredictedVideo

FOR_PHOTOS = ("coco_json", "crops", "geojson", "report", "semantic_map", "to")


def videos_and_photos(config: Options, on_event: OnEvent) -> tuple[list[Source], list[Path]]:
    """The inputs of a run: videos, streams and cameras, and photos.

    Raises:
        ArgumentError: An option is not for videos, or an input is the address of photos.
        InputError: A folder, glob or list has neither photos nor videos, or none of them exists.
    """
    videos: dict[Source, None] = {}
    others: list[str] = []
    for item in config.inputs:
        found = _videos_of(item)
        videos.update(dict.fromkeys(found))
        if not found:
            others.append(item)
    paths = []
    if others or not videos:
        listed = list_images(others, recursive=config.recursive, on_event=on_event)
        videos.update(dict.fromkeys(path for path in listed if is_video(path)))
        paths = [path for path in listed if not is_video(path)]
    _check(config, with_videos=bool(videos))
    missing = [each for each in (*videos, *paths) if isinstance(each, Path) and not each.exists()]
    if len(missing) == len(videos) + len(paths):  # told before weights are downloaded
        several = f", nor any of the {len(missing)}" if missing[1:] else ""
        raise InputError(f"{missing[0]}: no such file{several}; check the name")
    return list(videos), paths


def _videos_of(item: str) -> list[Source]:
    """The videos that an input is or, a glob of nothing else, matches."""
    camera = camera_of(item)
    if camera is not None:
        return [camera]
    if is_stream(item):
        return [item]
    if is_remote(item) and not Path(item).exists():
        raise ArgumentError(f"{item}: addresses of photos need {{ray}}, such as {{ray}} local")
    path = Path(item)
    if path.is_dir() or item.startswith("@"):
        return []
    if not path.exists() and glob.has_magic(item):
        matches = sorted(map(Path, glob.glob(item, recursive=True)))  # noqa: PTH207
        return list(matches) if all(map(is_video, matches)) else []
    return [path] if is_video(path) else []


def _check(config: Options, *, with_videos: bool) -> None:
    if not with_videos:
        if config.every != 1 or config.count_line or config.zone:
            raise ArgumentError("{every}, {count_line} and {zone} are for videos; there is none")
        return
    given = [name for name in FOR_PHOTOS if getattr(config, name)]
    if given:
        wrong = "{" + given[0] + "}"
        raise ArgumentError(f"{wrong} is for photos; leave it out, or run videos alone")


def predict_videos(
    predictor: Predictor,
    videos: Sequence[Source],
    config: Options,
    *,
    alone: bool,
    on_event: OnEvent,
) -> tuple[int, int]:
    """Predict videos, each into a folder of its name if it is not the only input.

    Args:
        predictor: The model.
        videos: Their sources.
        config: The options of the command.
        alone: Whether there are no photos.
        on_event: Called with progress and with each video that fails.

    Returns:
        How many have failed, and how many have ended early, with what they had until then.
    """
    if not videos:
        return 0, 0
    from instseg.video.predict_video import predict_video

    failed = ended_early = 0
    for source, folder in zip(videos, _folders(videos, config.out, alone), strict=True):
        try:
            done = predict_video(
                predictor,
                source,
                folder,
                every=config.every,
                track=config.track,
                count_line=_split(config.count_line),
                zone=_split(config.zone),
                overlay=config.overlay,
                color_by="class" if config.color_by == "class" else "instance",
                polygons=config.polygons,
                resume=config.resume,
                on_event=on_event,
            )
        except ArgumentError:
            raise
        except InputError as problem:
            on_event(PhotoFailed(name=shown(source), text=str(problem)))
            failed += 1
            continue
        ended_early += done.problem is not None
        _show(config, done)
    return failed, ended_early


def _folders(videos: Sequence[Source], out: Path, alone: bool) -> list[Path]:
    if alone and len(videos) == 1:
        return [out]
    names: Counter[str] = Counter()
    folders = []
    for source in videos:
        name = re.sub(r"[^\w.-]+", "-", Path(shown(source)).stem).strip(".-") or "video"
        names[name] += 1
        number = f"-{names[name]}" if names[name] > 1 else ""
        folders.append(out / shorten(name + number, LONGEST_NAME))
    return folders


def _show(config: Options, done: PredictedVideo) -> None:
    tracks = done.counts.tracks
    if done.instances:
        rows = [(name, number, tracks.get(name, 0)) for name, number in done.instances.items()]
        if config.track:
            table(["class", "instances", "tracks"], rows)
        else:
            table(["class", "instances"], [row[:2] for row in rows])
    counted = [*(each.line for each in done.counts.lines), *(z.zone for z in done.counts.zones)]
    for where, text in zip(counted, done.counts.texts(), strict=True):
        console.print(printable(f"{where}: {text}"))
    names = ["predictions.json", "tracks.csv"]
    names += ["counts.json"] * config.track + ["overlay.mp4"] * config.overlay
    line = f"{done.folder}: wrote {', '.join(names)}: "
    line += f"{count(sum(tracks.values()), 'track')}, " if config.track else ""
    line += f"{count(sum(done.instances.values()), 'instance')} in "
    line += f"{count(done.frames + done.skipped, 'frame')} ({done.video_s:.1f} s of video), "
    line += f"{done.seconds:.1f} s ({done.frames / done.seconds:.2g} frames/s, "
    line += f"network busy {done.busy:.0%})"
    if done.skipped:
        line += f"; {count(done.skipped, 'frame')} done before"
    console.print(printable(line))


def _split(given: list[str] | str | None) -> list[str]:
    """Lines or zones of the command line, which semicolons part."""
    given = given.split(";") if isinstance(given, str) else given or []
    return [each.strip() for each in given]
