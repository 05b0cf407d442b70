"""`instseg export`: a model as one file for ONNX Runtime or OpenVINO."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from instseg.commands.listener import Listener
from instseg.commands.terminal import console, table
from instseg.core.wording import interval, number
from instseg.exporting.export import ExportOptions


@dataclass(frozen=True, kw_only=True)
class Options(ExportOptions):
    """The options of the command line: only names and paths."""

    weights: str
    images: Path | None = None
    coco_json: Path | None = None
    out: Path | None = None


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
                kind,
                number(ap.model),
                number(ap.file),
                f"{ap.difference:+.5f}",
                interval(ap.interval, "+"),
            ]
            for kind, ap in done.agreement.ap.items()
        ]
        if rows:
            table(["AP", "model", "file", "difference", "95% interval"], rows)
    console.print(f"{done.file}: wrote {config.format}, {config.dtype}")
    return 0 if done.accepted else 1
