"""`instseg export`: a model as one file for ONNX Runtime or OpenVINO."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from instseg.commands.listener import Listener
from instseg.commands.terminal import console, table
from instseg.core.wording import interval, number
from instseg.exporting.options import ExportOptions


@dataclass(frozen=True, kw_only=True)
class Options(ExportOptions):
    """The options of the command line: only names and paths."""

    weights: str
    images: Path | None = None
    coco_json: Path | None = None
    out: Path | None = None
    calibrate: str | list[str] | None = None


Options.__doc__ = ExportOptions.__doc__  # the help text


def run(config: Options) -> int:
    """Exports, prints the certificate; returns 1 if the file differs too much, else 0."""
    from instseg.exporting.export import export

    with Listener() as show:
        done = export(**{**vars(config), "on_event": show})
    if done.agreement is not None:
        console.print(str(done.agreement))
        rows = [
            [
                name,
                number(score.model),
                number(score.file),
                f"{score.difference:+.5f}",
                interval(score.interval, "+"),
            ]
            for name, score in done.agreement.scores.items()
        ]
        if rows:
            table(["score", "model", "file", "difference", "95% interval"], rows)
    dtype = "int8" if config.int8 else config.dtype
    console.print(f"{done.file}: wrote {config.format}, {dtype}")
    return 0 if done.accepted else 1
