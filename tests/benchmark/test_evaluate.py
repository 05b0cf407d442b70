"""COCO AP and reading beside pycocotools: figures of both sides."""

from instseg.benchmark.evaluate import measure_evaluation, measure_reading
from instseg.core.events import Progress


def test_figures_of_evaluation_for_boxes_and_masks(tmp_path, capsys):
    events = []
    figures = measure_evaluation(8, 1, 0, tmp_path, on_event=events.append)
    assert (figures["images"], figures["detections"], figures["unit"]) == (8, 800, "s")
    for kind in ("bbox", "segm"):
        seconds = [figures[side][f"{kind}_s"] for side in ("ours", "peer")]
        assert figures["ratio"][kind] == seconds[1] / seconds[0]
    sides = [each for each in figures.values() if isinstance(each, dict) and "segm_s" in each]
    assert len(sides) >= 2
    assert all(each["segm_processor_s"] > 0 for each in sides)
    runs = 2 * len(sides)
    assert Progress(task="measuring", done=runs, total=runs, unit="runs") in events
    assert capsys.readouterr() == ("", "")


def test_figures_of_reading(tmp_path):
    figures = measure_reading(40, 1, 0, tmp_path)
    assert figures["annotations"] > 40
    assert figures["ours"]["read_s"] > 0
