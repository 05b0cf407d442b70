"""`instseg evaluate --label-errors`, run on files."""

import json

from labelled_squares import squares, with_errors

from instseg.commands.evaluate import Options, run
from instseg.evaluation.label_errors import LabelError


def evaluated(folder, document, results):
    (folder / "val.json").write_text(json.dumps(document))
    (folder / "results.json").write_text(json.dumps(results))
    options = Options(
        coco_json=folder / "val.json",
        results=folder / "results.json",
        out=folder / "out",
        label_errors=True,
        plots=False,
        resamples=100,
    )
    assert run(options) == 0
    return json.loads((folder / "out" / "label_errors.json").read_text())


def test_label_errors_are_printed_and_written(tmp_path, capsys):
    document, results, wrong = with_errors()
    found = evaluated(tmp_path, document, results)
    assert found["format"] == 1
    assert found["data"]["results"] == str(tmp_path / "results.json")
    errors = found["label_errors"]
    assert {each["kind"]: each["annotation_id"] for each in errors[:4]} == wrong
    assert set(errors[0]) == set(LabelError.__dataclass_fields__) - {"result"}
    scores = [each["score"] for each in errors]
    assert scores == sorted(scores, reverse=True)
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    (head,) = (i for i, line in enumerate(lines) if line.startswith("likely label error"))
    first = lines[head + 1]
    assert errors[0]["kind"] in first and errors[0]["file_name"] in first
    assert "4 errors with a probability of at least 0.5: 1 " in printed
    assert "label_errors.json" in lines[-1]


def test_of_many_only_the_first_are_printed(tmp_path, capsys):
    document, results = squares()
    for each in document["annotations"][:60:2]:
        each["category_id"] = 10 - each["category_id"]
    found = evaluated(tmp_path, document, results)["label_errors"]
    printed = capsys.readouterr().out
    assert len(found) > 20
    lines = printed.splitlines()
    (head,) = (i for i, line in enumerate(lines) if line.startswith("likely label error"))
    assert lines[head + 21] == f"the 20 most likely of {len(found)}; all in label_errors.json"


def test_it_says_that_there_are_none(tmp_path, capsys):
    document, results = squares(4)
    results = [{**each, "score": 0.99} for each in results if each["score"] > 0.3]
    assert evaluated(tmp_path, document, results)["label_errors"] == []
    assert "no annotation is likely wrong" in capsys.readouterr().out
