"""New heads for new classes; classes of the same name keep what was learnt of them."""

from __future__ import annotations

import dataclasses

from instseg.models.mask_rcnn import Model, build

PER_OUTPUT = {  # parameters of the last layers: rows per output
    "roi_heads.box_predictor.cls_score": 1,
    "roi_heads.box_predictor.bbox_pred": 4,
    "roi_heads.mask_predictor.mask_fcn_logits": 1,  # of the torchvision architectures
    "roi_heads.mask_predictor.logits": 1,  # of `compact`
}


def with_classes(
    model: Model, class_names: tuple[str, ...], category_ids: tuple[int, ...]
) -> Model:
    """A copy of a model for other classes.

    Args:
        model: Is not changed.
        class_names: Names by class id, [0] is "BG".
        category_ids: Dataset ids by class id.

    Returns:
        The same weights but for the heads' last layers: their rows come from the class of the
        same name, and are fresh for classes that the model does not know.
    """
    card = dataclasses.replace(
        model.card,
        architecture_args={**model.card.architecture_args, "num_classes": len(class_names)},
        class_names=class_names,
        category_ids=category_ids,
        thresholds={},
    )
    new = build(card)
    output_of_class = {
        model.card.class_names[int(c)]: output
        for output, c in enumerate(model.class_id_of_output)
        if c > 0 or output == 0
    }
    state = new.network.state_dict()
    old_state = model.network.state_dict()
    for key in state:
        rows = PER_OUTPUT.get(key.rpartition(".")[0])
        if rows is None:
            state[key] = old_state[key]
            continue
        for class_id, name in enumerate(class_names):
            if (output := output_of_class.get(name)) is not None:
                new_rows = slice(class_id * rows, (class_id + 1) * rows)
                state[key][new_rows] = old_state[key][output * rows : (output + 1) * rows]
    new.network.load_state_dict(state)
    return new


def known_classes(model: Model, class_names: tuple[str, ...]) -> list[str]:
    """The names, without "BG", that a model already knows."""
    return [name for name in class_names[1:] if name in model.card.class_names[1:]]
