"""Terminal output of commands: lines, tables, one-line errors, progress."""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from instseg.core.wording import printable
from instseg.system.processes import process_rank

BAR_AFTER_S = 2.0


class Update(Protocol):
    """Moves a progress bar."""

    def __call__(self, done: float, total: float | None, words: str | None = None) -> None:
        """See `progress_bar`."""


class _Console(Console):
    """Prints text as it is: no markup, no colouring of numbers, no wrapping of long paths."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, highlight=False, emoji=False, soft_wrap=True)

    def on_broken_pipe(self) -> None:
        """The reader of the output has closed it: continue without output."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


console = _Console()
"""Standard output: `console.print(line)`."""

errors = _Console(stderr=True)
"""Standard error, also the place of the progress bar."""


def error(message: object) -> None:
    """Prints one line `instseg: message` on standard error."""
    errors.print("instseg: " + printable(str(message)))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a plain table on standard output: first column to the left, the others to the right.

    Args:
        columns: Headings.
        rows: One cell per column, of which `str()` is shown, made `printable`.
    """
    lines = [[printable(str(cell)) for cell in row] for row in [columns, *rows]]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    for number, (first, *others) in enumerate(lines):
        cells = [set_cell_size(first, widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        console.print("  ".join(cells).rstrip(), style=None if number else "bold")


class _Pace(ProgressColumn):
    """Rate and time left over the whole run, steadier than over the last few steps."""

    def render(self, task: Task) -> Text:
        done = task.completed - task.fields["first"]  # a run that goes on has done some before
        rate = done / task.elapsed if task.elapsed else 0.0
        text = f"{rate:.3g} {task.fields['unit']}/s" if rate else ""
        if rate and task.remaining is not None:
            text += f", {timedelta(seconds=round(task.remaining / rate))} left"
        return Text(text)


@contextmanager
def progress_bar(description: str = "", unit: str = "images") -> Iterator[Update]:
    """Shows a bar for work that reports its own progress.

    The bar appears on standard error once the work has taken two seconds, only where standard
    error is a terminal, and goes away at the end.

    Args:
        description: Words before the bar.
        unit: What is counted, for the rate.

    Yields:
        `update(done, total, words)`, to be called with running counts; `total` is None while
        unknown, and `words` go before the bar from then on, if there are any.
    """
    counts = TextColumn("{task.completed:.0f}/{task.fields[goal]} {task.fields[unit]}")
    label = TextColumn("{task.description}", markup=False)
    bar = Progress(
        label, BarColumn(), counts, _Pace(), console=errors, transient=True, redirect_stdout=False
    )
    task = bar.add_task(description, total=None, unit=unit, goal="?", first=0)
    first: float | None = None
    begin_s = time.monotonic()

    def update(done: float, total: float | None, words: str | None = None) -> None:
        nonlocal first
        first = max(done - 1, 0) if first is None else first
        goal = "?" if total is None else f"{total:.0f}"
        bar.update(task, completed=done, total=total, goal=goal, first=first, description=words)
        due = time.monotonic() - begin_s > BAR_AFTER_S and process_rank() == 0
        if due and not bar.live.is_started and errors.is_terminal:
            bar.start()

    try:
        yield update
    finally:
        if bar.live.is_started:
            bar.stop()
