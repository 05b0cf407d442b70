"""A Mask R-CNN for other classes; classes of the same name keep their weights."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Mapping, Sequence

from torch import Tensor

from instseg.core.errors import ArgumentError
from instseg.core.wording import some
from instseg.models import registry
from instseg.models.mask_rcnn import Model, build_detector

ALIASES = (  # names that datasets (Pascal VOC, Open Images, LVIS) have for the same class
    ("airplane", "aeroplane", "plane"),
    ("bicycle", "bike"),
    ("cell phone", "cellphone", "mobile phone", "telephone"),
    ("couch", "sofa"),
    ("dining table", "diningtable"),
    ("donut", "doughnut"),
    ("hair drier", "hair dryer"),
    ("keyboard", "computer keyboard"),
    ("laptop", "laptop computer"),
    ("motorcycle", "motorbike"),
    ("person", "human", "pedestrian"),
    ("potted plant", "pottedplant", "houseplant"),
    ("refrigerator", "fridge"),
    ("sports ball", "ball"),
    ("tv", "tvmonitor", "television"),
)
_ALIAS_OF = {name: names[0] for names in ALIASES for name in names}


def match_classes(
    known: Sequence[str], wanted: Sequence[str], renamed: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The known class that each wanted class is initialised from.

    Names match regardless of case, dashes and underscores, and by `ALIASES`.

    Args:
        known: Names of a model's classes, without "BG".
        wanted: Names of the new classes, without "BG".
        renamed: Wanted names by the known names to initialise them from; takes precedence.

    Returns:
        Known names by wanted names, in the order of `wanted`; classes without a match are missing.

    Raises:
        ArgumentError: A name of `renamed` does not exist.
    """
    sources = {new: old for old, new in (renamed or {}).items()}
    if strangers := [old for old in sources.values() if old not in known]:
        raise ArgumentError(
            f"{{init_classes}}: the starting weights have no class {strangers[0]!r}; "
            f"they have {some(known)}"
        )
    if strangers := [new for new in sources if new not in wanted]:
        raise ArgumentError(
            f"{{init_classes}}: the dataset has no class {strangers[0]!r}; it has {some(wanted)}"
        )
    by_key = {_key(name): name for name in reversed(known)}
    found = {name: sources.get(name) or by_key.get(_key(name)) for name in wanted}
    return {name: old for name, old in found.items() if old is not None}


def _key(name: str) -> str:
    plain = re.sub(r"[\s_-]+", " ", name.strip().casefold())
    return _ALIAS_OF.get(plain, plain)


def kept_classes(
    model: Model,
    class_names: tuple[str, ...],
    category_ids: tuple[int, ...],
    sources: Mapping[str, str],
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The classes of a dataset, and those of a model that none of them is initialised from.

    Args:
        model: Its classes are kept, except for names that the dataset uses for other classes.
        class_names: The dataset's, [0] is "BG".
        category_ids: Its ids by class id.
        sources: The class of the model by the class of the dataset, as `match_classes` returns it.

    Returns:
        Names and dataset ids by class id, in the order of the ids, as `CocoData` has them. The
        dataset's classes keep their ids; a kept class keeps its id or, if that is taken, gets the
        next positive one that is free.
    """
    ids = dict(zip(class_names[1:], category_ids[1:], strict=True))
    known = dict(zip(model.card.class_names[1:], model.card.category_ids[1:], strict=True))
    taken = set(ids.values())
    free = (i for i in itertools.count(1) if i not in taken.union(known.values()))
    for name, own_id in known.items():
        if name not in sources.values() and name not in ids:
            ids[name] = next(free) if own_id in taken else own_id
    ordered = sorted(ids, key=lambda name: ids[name])
    return ("BG", *ordered), (0, *(ids[name] for name in ordered))


def with_detector_classes(
    model: Model,
    class_names: tuple[str, ...],
    category_ids: tuple[int, ...],
    sources: Mapping[str, str] | None = None,
    *,
    class_agnostic_mask: bool | None = None,
) -> Model:
    """A copy of a model for other classes.

    Args:
        model: The model, which is not changed.
        class_names: Names by class id, [0] is "BG".
        category_ids: Dataset ids by class id.
        sources: The class of the model that a new class is initialised from; None calls
            `match_classes`. A class without an entry uses that of the same name, if any.
        class_agnostic_mask: Whether all classes share one mask channel; None as in the model. A
            shared channel starts as the mean of those of the classes; if the model has a shared
            one, each class starts with it.

    Returns:
        The same weights except in the last layers of the heads: their rows come from the class that
        a new one is initialised from, or are random.
    """
    if sources is None:
        sources = match_classes(model.card.class_names[1:], class_names[1:])
    shared = model.class_agnostic_mask if class_agnostic_mask is None else class_agnostic_mask
    arguments = {**model.card.architecture_args, "num_classes": len(class_names)}
    if shared != model.class_agnostic_mask:
        arguments["class_agnostic_mask"] = shared
    card = dataclasses.replace(
        model.card,
        architecture_args=arguments,
        class_names=class_names,
        category_ids=category_ids,
        thresholds={},
    )
    new = build_detector(card)
    _carry_over(model, new, sources)
    return new


def _carry_over(model: Model, new: Model, sources: Mapping[str, str]) -> None:
    """Load the weights of a model into one for other classes; see `with_detector_classes`."""
    output_rows = registry.detector(new.card.architecture).output_rows
    shared = new.class_agnostic_mask or model.class_agnostic_mask
    output_of_class = {
        model.card.class_names[int(c)]: output
        for output, c in enumerate(model.class_id_of_output)
        if c > 0 or output == 0
    }
    state = new.network.state_dict()
    old_state = model.network.state_dict()
    for key in state:
        rows = output_rows.get(key.rpartition(".")[0])
        if rows is None:
            state[key] = old_state[key]
            continue
        if "mask_predictor" in key and shared:
            state[key] = _shared_rows(model, old_state[key]).expand_as(state[key])
            continue
        for class_id, name in enumerate(new.card.class_names):
            output = output_of_class.get(sources.get(name, name))
            if output is not None:
                new_rows = slice(class_id * rows, (class_id + 1) * rows)
                state[key][new_rows] = old_state[key][output * rows : (output + 1) * rows]
    new.network.load_state_dict(state)


def _shared_rows(model: Model, rows: Tensor) -> Tensor:
    """The weights of one mask channel, (1, ...): the shared one, or the mean of the classes'."""
    return rows if len(rows) == 1 else rows[model.class_id_of_output > 0].mean(0, keepdim=True)
