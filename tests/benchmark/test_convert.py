from instseg.benchmark.convert import measure_conversion


def test_conversion_is_measured_both_ways(tmp_path):
    figures = measure_conversion(3, 1, 0, tmp_path)
    assert figures["masks"] > 0
    assert set(figures["ours"]) == {"to yolo-seg", "to coco"}
    assert set(measure_conversion(1, 1, 0, tmp_path, to="voc")["ours"]) == {"to voc", "to coco"}
    assert all(seconds > 0 for seconds in figures["ours"].values())
