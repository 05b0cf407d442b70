"""`instseg infer --ray`: photos predicted on a Ray cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from instseg.cluster.options import ShardsOptions
from instseg.commands.listener import Listener
from instseg.commands.stand_in import with_default_weights
from instseg.commands.terminal import console, printable, table
from instseg.core.errors import ArgumentError
from instseg.core.events import OnEvent, download_progress
from instseg.core.wording import count, split_names
from instseg.files.video_source import is_video, shown
from instseg.files.weights import locate
from instseg.formats.options import in_pixels

if TYPE_CHECKING:
    from instseg.cluster.predict_shards import PredictedShards

UNUSED = {  # options that --ray does not take, with their defaults
    "crops": False,
    "geojson": False,
    "to": None,
    "color_by": "auto",
    "seed": 0,
    "every": 1,
    "track": True,
    "count_line": None,
    "zone": None,
}


def run_on_ray(config: Mapping[str, Any]) -> int:
    """Returns 0, 1 if some photos failed, 2 if all did.

    Args:
        config: The options of `infer` by name.
    """
    _check(config)
    with Listener() as listener:
        names = {each.name for each in fields(ShardsOptions)}
        given = {name: value for name, value in config.items() if name in names}
        given |= {
            "weights": config["weights"]
            or with_default_weights(lambda weights: _located(weights, listener), listener),
            "classes": split_names(config["classes"]),
            "class_priority": split_names(config["class_priority"]),
            "on_event": listener,
        }
        from instseg.cluster.predict_shards import predict_shards

        done = predict_shards(**given)
    _show(done)
    if not done.failed:
        return 0
    return 2 if len(done.failed) == done.done else 1


def _check(config: Mapping[str, Any]) -> None:
    """Raise ArgumentError for options that need the photos where the results are written."""
    for name, unused in UNUSED.items():
        if config[name] != unused:
            raise ArgumentError(f"{{{name}}} does not go with {{ray}}")
    if video := next(filter(is_video, config["inputs"]), None):
        raise ArgumentError(f"{shown(video)}: videos do not go with {{ray}}; run them without")
    if in_pixels(config["tolerance"]) != 1:
        raise ArgumentError("{tolerance} needs {to}")
    if config["device"] not in ("auto", "cpu", "cuda"):
        raise ArgumentError(
            "with {ray}, {device} must be auto, cpu or cuda", device=config["device"]
        )


def _located(weights: str, on_event: OnEvent) -> str:
    locate(weights, progress=download_progress(on_event))
    return weights


def _show(done: PredictedShards) -> None:
    if done.counts:
        table(["class", "instances"], done.counts.items())
    made = "".join(f", {path.name}" for path in done.files)
    line = f"{done.folder}: wrote {'shards' if done.done else 'no new shards'}{made}: "
    line += f"{count(sum(done.counts.values()), 'instance')} in {count(done.done, 'photo')}, "
    line += f"{done.seconds:.1f} s ({done.done / done.seconds:.2g} photos/s"
    line += f", {count(done.workers, 'worker')})" if done.workers else ")"
    if done.skipped:
        line += f"; {count(done.skipped, 'photo')} done before"
    if done.failed:
        line += f"; {count(len(done.failed), 'photo')} failed"
    console.print(printable(line))
