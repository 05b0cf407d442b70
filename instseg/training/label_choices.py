"""What is decided and told of a dataset's annotations before training."""

from __future__ import annotations

from instseg.core.errors import ArgumentError
from instseg.core.events import Notice, OnEvent, Warned, ignore
from instseg.core.wording import count, some
from instseg.data.coco import CocoData
from instseg.data.labels import FEW_MASKS, TrainingLabels


def parse_pseudo(text: str) -> tuple[float, float]:
    """The two scores of `LOW,HIGH`, 0 to 1."""
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        low, high = 1.0, 0.0
    if not 0 <= low <= high <= 1:
        raise ArgumentError(f"{{pseudo}} {text}: expected two scores, as 0.15,0.5, from 0 to 1")
    return low, high


def choose_mask_head(
    data: CocoData, chosen: str | None, pseudo: tuple[float, float], on_event: OnEvent = ignore
) -> bool | None:
    """Whether all classes share one mask channel, None as the starting weights have it.

    Args:
        data: The dataset, whose annotations without masks are told.
        chosen: `shared`, `per-class` or None.
        pseudo: See `TrainingLabels`.
        on_event: Called with a notice for each finding.
    """
    objects, masks = TrainingLabels(data=data, pseudo=pseudo).masks_of_classes()
    without = objects.total() - masks.total()
    if without:
        every = count(objects.total(), "annotation")
        text = f"{data.coco_json}: {without} of {every} have no mask; they train boxes only"
        on_event(Notice(text=text))
    if chosen is not None:
        return chosen == "shared"
    few = [each for each in objects if masks[each] < FEW_MASKS]
    if not without or not few:
        return None
    on_event(
        Notice(
            text=f"{count(len(few), 'class')} with fewer than {FEW_MASKS} masks, so all classes "
            "share one mask channel; `--mask-head per-class` gives each its own"
        )
    )
    return True


def check_labelled(data: CocoData, on_event: OnEvent = ignore) -> None:
    """Warn of names in `labelled` that are no classes of the dataset."""
    lists = [each.labelled for each in data.images if isinstance(each.labelled, list)]
    strange = {str(name) for names in lists for name in names} - set(data.class_names[1:])
    if strange:
        text = f"{data.coco_json}: `labelled` names {some(sorted(strange))}, no class of the file"
        on_event(Warned(text=text))
