"""Events on a terminal."""

import pytest

from instseg.commands.listener import Listener
from instseg.core.events import ClassesMatched, Notice, PhotoFailed, Progress, Warned


def test_lines_go_where_they_belong(capsys):
    with Listener() as show:
        show(Notice(text="model.safetensors: written"))
        show(Warned(text="a.jpg: strange\nsize"))
        show(PhotoFailed(name="b.jpg", text="b.jpg: cannot be read"))
    out, err = capsys.readouterr()
    assert out == "model.safetensors: written\n"
    assert err == "instseg: a.jpg: strange size\ninstseg: b.jpg: cannot be read\n"


def test_classes_are_a_table(capsys):
    with Listener() as show:
        show(ClassesMatched(sources={"cat": "cat", "tram": None}))
    assert capsys.readouterr().out.splitlines() == [
        "class  starts from",
        "cat            cat",
        "tram       nothing",
    ]


@pytest.mark.parametrize("total", [None, 2])
def test_progress_says_nothing_without_a_terminal(total, capsys):
    with Listener() as show:
        for done in range(3):
            show(Progress(task="predicting", done=done, total=total))
        show(Progress(task="measuring", done=1, unit="bytes"))
    assert capsys.readouterr() == ("", "")


def test_many_classes_do_not_flood_the_terminal(capsys):
    with Listener() as show:
        show(ClassesMatched(sources={f"class {number}": None for number in range(1_250)}))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 202
    assert lines[-1] == "and 1,050 more classes"
