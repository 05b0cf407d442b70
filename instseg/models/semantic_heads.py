"""A semantic network for other classes; classes with equal names keep their weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from instseg.models import registry
from instseg.models.segmenters import SegmenterModel, build_segmenter


@torch.no_grad()
def with_segmenter_classes(
    model: SegmenterModel,
    class_names: tuple[str, ...],
    category_ids: tuple[int, ...],
    sources: Mapping[str, str],
) -> SegmenterModel:
    """A copy of a model for other classes; random numbers come from torch's generator.

    Args:
        model: The model, which is not changed.
        class_names: Names of the new model; the first is "BG", initialised from the old one.
        category_ids: The dataset's id of each class.
        sources: Old names by the new names initialised from them; others are random.
    """
    arguments = {**model.card.architecture_args, "num_classes": len(class_names)}
    card = replace(
        model.card,
        architecture_args=arguments,
        class_names=class_names,
        category_ids=category_ids,
        thresholds={},
    )
    new = build_segmenter(card)
    known = model.card.class_names
    kept = [(0, 0)] + [(class_names.index(n), known.index(old)) for n, old in sources.items()]
    rows, old_rows = map(list, zip(*kept, strict=True))
    output_rows = registry.segmenter(card.architecture).output_rows
    old_state = model.network.state_dict()
    for name, values in new.network.state_dict().items():
        if name.rpartition(".")[0] in output_rows:
            values[rows] = old_state[name][old_rows]
        else:
            values.copy_(old_state[name])
    return new
