"""What the script of suggestions needs to know."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator

from markupsafe import Markup

from instseg.core.json_types import Json
from instseg.report.components import Gallery, Suggestion
from instseg.report.rendered import json_block


def suggestion_blocks(gallery: Gallery, photos: Collection[str]) -> Iterator[Markup]:
    """Elements with the suggestions and the dataset; nothing without suggestions.

    Args:
        gallery: Its suggestions and dataset.
        photos: Names of the photos that are in the page.
    """
    if not gallery.suggestions:
        return
    suggestions = [_plain(each) for each in gallery.suggestions if each.photo in photos]
    text = json.dumps(suggestions, sort_keys=True)
    name = hashlib.sha256(text.encode()).hexdigest()[:16]  # of the decisions that are kept
    yield json_block("gallery-suggestions", {"name": name, "suggestions": suggestions})
    if gallery.dataset is not None:
        yield json_block("gallery-dataset", gallery.dataset)


def _plain(each: Suggestion) -> Json:
    return {
        "kind": each.kind,
        "photo": each.photo,
        "score": float(each.score),
        "text": each.text,
        "layer": each.layer,
        "key": each.key,
        "remove": list(each.remove),
        "change": [[number, dict(fields)] for number, fields in each.change.items()],
        "add": [dict(annotation) for annotation in each.add],
    }
