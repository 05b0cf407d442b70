"""What is decided and told of a dataset's annotations before training."""

from __future__ import annotations

from collections.abc import Iterator

from instseg.core.errors import ArgumentError
from instseg.core.events import Notice, OnEvent, Warned, ignore
from instseg.core.wording import count, some
from instseg.data.coco import CocoData
from instseg.data.labels import FEW_MASKS, TrainingLabels


def parse_scores(text: str, name: str = "pseudo") -> tuple[float, float]:
    """The two scores of `LOW,HIGH`, 0 to 1, of an option."""
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        low, high = 1.0, 0.0
    if not 0 <= low <= high <= 1:
        raise ArgumentError(f"{{{name}}} {text}: expected two scores, as 0.3,0.7, from 0 to 1")
    return low, high


def choose_box_supervision(
    data: CocoData, chosen: str, pseudo: tuple[float, float], on_event: OnEvent = ignore
) -> bool:
    """Whether objects that have a box alone train masks by it; what is learnt of them is told.

    Args:
        data: The dataset.
        chosen: `auto`, if no object has a mask or labelled points, `on` or `off`.
        pseudo: See `TrainingLabels`.
        on_event: Called with notices.
    """
    labels = TrainingLabels(data=data, pseudo=pseudo)
    objects, masks = labels.masks_of_classes()
    by_boxes = chosen == "on" or (chosen == "auto" and not masks.total())
    every = count(objects.total(), "annotation")
    pointed = sum(
        each.has_points and each.is_box_only and labels.use(each) == "object"
        for each in data.dataset.annotations
    )
    if pointed:
        text = f"{pointed} of {every} have labelled points and no mask; they train masks by these"
        on_event(Notice(text=f"{data.coco_json}: {text}"))
    if without := objects.total() - masks.total():
        use = "they train boxes only"
        if by_boxes:
            use = "they train masks by their boxes; `--box-supervision off` trains boxes only"
        on_event(Notice(text=f"{data.coco_json}: {without} of {every} have no mask; {use}"))
    return by_boxes


def choose_mask_head(
    data: CocoData, chosen: str | None, pseudo: tuple[float, float], on_event: OnEvent = ignore
) -> bool | None:
    """Whether all classes share one mask channel, None as the starting weights have it.

    Args:
        data: The dataset, in which objects without masks or labelled points train no masks.
        chosen: `shared`, `per-class` or None.
        pseudo: See `TrainingLabels`.
        on_event: Called with a notice for each finding.
    """
    if chosen is not None:
        return chosen == "shared"
    objects, masks = TrainingLabels(data=data, pseudo=pseudo).masks_of_classes()
    few = [each for each in objects if masks[each] < min(FEW_MASKS, objects[each])]
    if not few:
        return None
    on_event(
        Notice(
            text=f"{count(len(few), 'class')} with objects without masks and fewer than "
            f"{FEW_MASKS} masks, so all classes share one mask channel; "
            "`--mask-head per-class` gives each its own"
        )
    )
    return True


def check_labels(data: CocoData, pseudo: tuple[float, float], on_event: OnEvent = ignore) -> None:
    """Tell what is decided about annotations, and warn of fields that are not used.

    Args:
        data: The dataset.
        pseudo: See `TrainingLabels`.
        on_event: Called with notices and warnings.

    Raises:
        InputError: No annotation is an object to train on.
    """
    labels = TrainingLabels(data=data, pseudo=pseudo)
    if not labels.masks_of_classes()[0]:
        scored = sum(each.detector_score is not None for each in data.dataset.annotations)
        raise ArgumentError(
            f"{data.coco_json}: has no objects to train on: {count(scored, 'annotation')} with a "
            f"score below {pseudo[1]:g}, the others are crowds; lower HIGH of {{pseudo}}"
        )
    for text in _strange_fields(data):
        on_event(Warned(text=f"{data.coco_json}: {text}"))
    for text in _decisions(labels):
        on_event(Notice(text=f"{data.coco_json}: {text}"))


def _strange_fields(data: CocoData) -> Iterator[str]:
    """Warnings of fields that are not used, or do not mean what they should."""
    lists = [each.labelled_classes or frozenset() for each in data.images]
    if unknown := frozenset().union(*lists) - set(data.class_names[1:]):
        yield f"`labelled` names {some(sorted(unknown))}, no class of the file"
    wrong = [i for i in data.images if i.labelled is not None and i.labelled_classes is None]
    if wrong:
        yield (
            f"`labelled` of {count(len(wrong), 'photo')} is not a list of class names, so they "
            f"are taken as labelled with all classes; the first is {wrong[0].file_name}"
        )
    if data.dataset.searched is not None and data.dataset.searched_classes is None:
        yield "`searched` is not a list of class names, so it is not used"
    if scores := sum(each.has_strange_score for each in data.dataset.annotations):
        yield (
            f"{count(scores, 'annotation')} with a score that is not a number from 0 to 1, taken "
            "as drawn by people"
        )


def _decisions(labels: TrainingLabels) -> Iterator[str]:
    """Notices of what is not evident from the file."""
    found = labels.found_beyond_labelled
    if found and labels.data.dataset.searched_classes is None:
        yield (
            f"{count(found, 'annotation')} with scores of classes that `labelled` lacks, so a "
            "detector counts as having searched all photos for all classes; `searched` in the "
            "file says which"
        )
    if labels.all_partly_labelled:
        yield (
            "no photo is labelled with all classes, so region proposals learn objects without "
            "annotations as background"
        )
