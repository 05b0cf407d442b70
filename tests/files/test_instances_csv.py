import csv

import numpy as np
from small_instances import IDS, NAMES, found

from instseg.core.instances import Instances, Masks
from instseg.files.instances_csv import CsvWriter, plain_cell


def test_csv_measures_instances(tmp_path):
    with CsvWriter(tmp_path / "new" / "table.csv", IDS) as writer:
        writer.add("a, b.jpg", found(1, 2, score=0.5))
        writer.add("c.jpg", found())
    with (tmp_path / "new" / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    assert rows[1] == {
        "file_name": "a, b.jpg",
        "instance": "1",
        "class": "dog",
        "category_id": "3",
        "score": "0.5",
        "area_px": "6",
        "box_x1": "2.0",
        "box_y1": "1.0",
        "box_x2": "5.0",
        "box_y2": "3.0",
        "centroid_x": "3.5",
        "centroid_y": "2.0",
    }


def test_csv_keeps_only_the_rows_of_what_is_done(tmp_path):
    path = tmp_path / "table.csv"
    for name, keep in (("a.jpg", ()), ("b.jpg", {"a.jpg"}), ("c.jpg", {"a.jpg"})):
        with CsvWriter(path, IDS, keep=keep) as writer:
            writer.add(name, found(1))
    assert [line.split(",")[0] for line in path.read_text().splitlines()] == [
        *("file_name", "a.jpg", "c.jpg")
    ]


def test_centroid_of_an_empty_mask_is_that_of_its_box(tmp_path):
    nothing = Instances(
        boxes=[[0, 0, 4, 2]],
        class_ids=[1],
        scores=[1.0],
        masks=Masks.from_dense(np.zeros((1, 8, 10), dtype=bool)),
        class_names=NAMES,
    )
    with CsvWriter(tmp_path / "table.csv", IDS) as writer:
        writer.add("a.jpg", nothing)
    assert (tmp_path / "table.csv").read_text().splitlines()[1].endswith(",2.0,1.0")


def test_cells_that_spreadsheets_would_run_are_texts():
    for text in ("=1+1", "+1", "-cat", "@cat", "\tcat"):
        assert plain_cell(text) == "'" + text
    for text in ("cat", "a=b", "", "1"):
        assert plain_cell(text) == text
