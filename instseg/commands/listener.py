"""What a command shows of the events that a verb tells: bars, tables, lines."""

from __future__ import annotations

from contextlib import ExitStack

from instseg.commands.terminal import Update, console, error, progress_bar, table
from instseg.core.events import (
    ClassesMatched,
    Event,
    Notice,
    PhotoFailed,
    Progress,
    Warned,
)

SHOWN_UNITS = {"bytes": ("MB", 1e-6)}

MOST_ROWS = 200  # of a table of classes


class Listener:
    """An `on_event` that shows events on the terminal while its `with` block lasts.

    A bar stands for one task; the next task ends it.
    """

    def __init__(self) -> None:
        self._bar = ExitStack()
        self._task: str | None = None
        self._update: Update | None = None

    def __call__(self, event: Event) -> None:
        """Show one event."""
        match event:
            case Progress():
                self._progress(event)
            case Warned(text=text) | PhotoFailed(text=text):
                error(text)
            case Notice(text=text):
                self.end_bar()
                console.print(text)
            case ClassesMatched(sources=sources):
                self.end_bar()
                rows = [(name, source or "nothing") for name, source in sources.items()]
                table(["class", "starts from"], rows[:MOST_ROWS])
                if len(rows) > MOST_ROWS:
                    console.print(f"and {len(rows) - MOST_ROWS:,} more classes")
            case _:
                pass

    def bar(self, task: str, unit: str) -> Update:
        """What moves the bar of a task, which takes the place of another task's."""
        if self._task != task or self._update is None:
            self.end_bar()
            self._task = task
            self._update = self._bar.enter_context(progress_bar(task, unit))
        return self._update

    def end_bar(self) -> None:
        """Take the bar away, if there is one."""
        self._bar.close()
        self._task = self._update = None

    def _progress(self, event: Progress) -> None:
        unit, factor = SHOWN_UNITS.get(event.unit, (event.unit, 1))
        total = None if event.total is None else event.total * factor
        self.bar(event.task, unit)(event.done * factor, total)
        if event.total is not None and event.done >= event.total:
            self.end_bar()

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.end_bar()
