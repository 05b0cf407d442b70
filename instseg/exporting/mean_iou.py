"""Mean IoU of a semantic network and of its exported file on the same photos."""

from __future__ import annotations

from instseg.core.errors import InputError
from instseg.core.events import OnEvent, told
from instseg.core.semantic import IGNORE, translation
from instseg.core.wording import some
from instseg.data.coco import CocoData
from instseg.data.semantic_data import CocoSemantic
from instseg.engines.runtimes import Run
from instseg.evaluation.semantic import SemanticEvaluator, score_differences
from instseg.exporting.agreement import ScoreDifference
from instseg.predict.segmenter import Segmenter


def miou_difference(
    data: CocoData, segmenter: Segmenter, run: Run, on_event: OnEvent
) -> ScoreDifference:
    """The mIoU of both, of the background and the classes that model and dataset share.

    Args:
        data: Photos and ground truth, whose objects are merged as `CocoSemantic` does it.
        segmenter: The model in torch.
        run: Runs the file.
        on_event: Called with progress.

    Raises:
        InputError: No class is in both.
    """
    truth = CocoSemantic(data=data)
    known = segmenter.class_names
    names = tuple(name for name in truth.class_names if name in known)
    if len(names) == 1:
        raise InputError(
            f"{data.coco_json}: no class is in the dataset ({some(truth.class_names[1:])}) and in "
            f"the model ({some(known[1:])}); classes are matched by name"
        )
    shared = translation(known, names)
    true = translation(truth.class_names, names, other=IGNORE)
    of_model, of_file = SemanticEvaluator(names), SemanticEvaluator(names)
    for row in told(range(len(truth)), on_event, "measuring IoU", total=len(truth)):
        photo, labels = truth.load(row)
        of_model.add(true[labels], shared[segmenter(photo)])
        of_file.add(true[labels], shared[run(photo)["labels"]])
    model, file = of_model.scores(), of_file.scores()
    change = score_differences(model, file)["scores"]["mIoU"]
    return ScoreDifference(
        model=model.scores["mIoU"],
        file=file.scores["mIoU"],
        difference=file.scores["mIoU"] - model.scores["mIoU"],
        interval=change["interval"],
    )
