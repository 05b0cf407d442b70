"""New outputs for new classes, of semantic networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from instseg.models.segmenters import SegmenterModel, build


@torch.no_grad()
def with_classes(
    model: SegmenterModel,
    class_names: tuple[str, ...],
    category_ids: tuple[int, ...],
    sources: Mapping[str, str],
) -> SegmenterModel:
    """A copy of a model for other classes; random numbers come from torch's generator.

    Args:
        model: What to start from; not changed.
        class_names: Of the new model, the first is "BG", which starts from the old one.
        category_ids: The dataset's id of each.
        sources: For new names the old ones that they start from; others start anew.
    """
    card = replace(model.card, class_names=class_names, category_ids=category_ids)

    def built(outputs: int) -> SegmenterModel:
        arguments = {**card.architecture_args, "num_classes": outputs}
        return build(replace(card, architecture_args=arguments))

    wider = built(len(class_names) + 1).network.state_dict()  # tells which tensors have outputs
    new = built(len(class_names))
    known = model.card.class_names
    kept = [(0, 0)] + [(class_names.index(n), known.index(old)) for n, old in sources.items()]
    rows, old_rows = map(list, zip(*kept, strict=True))
    old_state = model.network.state_dict()
    for name, values in new.network.state_dict().items():
        if values.shape == wider[name].shape:
            values.copy_(old_state[name])
        else:
            values[rows] = old_state[name][old_rows]
    return new
