"""Label Studio: tasks as JSON, with polygons, rectangles and brush masks."""

from __future__ import annotations

from instseg.formats.format import Format
from instseg.formats.label_studio_read import read
from instseg.formats.label_studio_tasks import recognises
from instseg.formats.label_studio_write import write

FORMAT = Format(
    name="label-studio",
    title="Label Studio",
    recognises=recognises,
    read=read,
    write=write,
    loses={"crowds": "left out", "attributes": "not written", "tracks": "not written"},
)
