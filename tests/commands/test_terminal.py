import os
import pty
import subprocess
import sys
from pathlib import Path

from instseg.commands import terminal
from instseg.commands.terminal import console, error, progress_bar, table

ROOT = Path(__file__).resolve().parents[2]
WORK = """
import sys
from instseg.commands import terminal
terminal.BAR_AFTER_S = float(sys.argv[1])
with terminal.progress_bar("counting [sheep]", "sheep") as update:
    for done in range(21):
        update(done, 20)
terminal.console.print("done")
"""


def on_a_terminal(bar_after_s: float) -> str:
    """What a user sees of WORK on standard error."""
    ours, theirs = pty.openpty()
    arguments = [sys.executable, "-c", WORK, str(bar_after_s)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=theirs) as run:
        os.close(theirs)
        seen = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # how Linux says that the other end is closed
                break
            if not part:
                break
            seen += part
        assert run.communicate()[0] == b"done\n"
    os.close(ours)
    return seen.decode()


def test_bar_shows_rate_and_time_left_on_long_work_only():
    seen = on_a_terminal(bar_after_s=-1)
    assert "counting [sheep]" in seen
    assert "/20 sheep" in seen
    assert "sheep/s" in seen
    assert "left" in seen
    assert on_a_terminal(bar_after_s=3600) == ""


def test_no_bar_where_there_is_no_terminal(capsys, monkeypatch):
    monkeypatch.setattr(terminal, "BAR_AFTER_S", -1)
    with progress_bar() as update:
        update(1, 3)
    assert capsys.readouterr() == ("", "")


def test_lines_are_printed_as_they_are(capsys):
    path = "/very/long" * 30 + "/[bold]photo[/].jpg"
    console.print(path)
    error(f"{path}: is\n  broken")
    printed = capsys.readouterr()
    assert printed.out == path + "\n"
    assert printed.err == f"instseg: {path}: is broken\n"


def test_errors_are_one_line_without_control_characters(capsys):
    error("a\nb \x1b[31m\u202e.png: [red]missing[/]")
    assert capsys.readouterr().err == "instseg: a b ?[31m?.png: [red]missing[/]\n"


def test_table_lines_up(capsys):
    table(["class", "instances"], [("potted plant", 3), ("猫", 12)])
    assert capsys.readouterr().out.splitlines() == [
        "class         instances",
        "potted plant          3",
        "猫                   12",
    ]


def test_nothing_in_a_cell_breaks_a_table_or_reaches_the_terminal_as_a_command(capsys):
    table(["class", "AP"], [["cup\n\x1b[31mred", 1], ["a\tb", "2\r"]])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["class", "AP"],
        ["cup", "?[31mred", "1"],
        ["a", "b", "2"],
    ]
