"""The command line of a verb, made from its options dataclass.

argparse only collects text; `Option` applies the types, to the command line as to `--config`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING
from pathlib import Path
from typing import Any, NoReturn, get_origin

import yaml  # type: ignore[import-untyped]

from instseg.commands.option import Option, description, options_of
from instseg.core.errors import InputError, option_name, require_between
from instseg.core.field_types import LISTS
from instseg.system.regular import require_regular_file

MOST_THREADS = 1024
THREADS = Option(
    name="threads",
    default=None,
    types=(int,),
    optional=True,
    help="Number of CPU threads; by default OMP_NUM_THREADS, or else the processors that other "
    "programs leave free (several photos at once use all).",
)


class Parser:
    """Reads the arguments of a command into its options dataclass.

    Args:
        options: The dataclass.
        prog: How the help names the command.
        positional: The options that are given without their names, if any.
        threads: Whether there is the option `--threads`, which is not of the dataclass.

    Attributes:
        threads: The number given to the latest `parse`; None if there is none.
    """

    def __init__(
        self,
        options: Callable[..., Any],
        prog: str,
        positional: str | Sequence[str] = (),
        *,
        threads: bool = False,
    ) -> None:
        self.options, self.prog = options, prog
        self.positional = (positional,) if isinstance(positional, str) else tuple(positional)
        self.table = {option.name: option for option in options_of(options, self.positional)}
        if threads:
            self.table[THREADS.name] = THREADS
        self.threads: int | None = None

    def parse(self, arguments: Sequence[str]) -> Any:
        """An instance of the dataclass. The command line overrides the `--config` file."""
        given = vars(self.argparse().parse_args(arguments))
        given.pop("debug", None)
        file = given.pop("config", None)
        values = self._of_file(Path(file)) if file is not None else {}
        if len(self.positional) > 1:
            self._part_last(given, values)
        values |= {name: self.table[name].converted(value) for name, value in given.items()}
        for name in self.positional:
            if not values.get(name):
                raise InputError(f"no {name} given; see {self.prog} --help")
        required = [each.name for each in self.table.values() if each.default is MISSING]
        if missing := [option_name(name) for name in required if name not in values]:
            raise InputError(f"{', '.join(missing)} must be given; see {self.prog} --help")
        if self.table.get(THREADS.name) is THREADS:
            self.threads = values.pop(THREADS.name, None)
            require_between(1, MOST_THREADS, threads=self.threads)
        return self.options(**values)

    def _part_last(self, given: dict[str, Any], values: Mapping[str, Any]) -> None:
        """Give the last of several words to the last positional option, as `cp A B FOLDER` does."""
        first, last = self.positional[0], self.positional[-1]
        words = given.get(first)
        if not isinstance(words, list) or len(words) < 2:
            return
        if last not in given and last not in values:
            given[first], given[last] = words[:-1], words[-1]

    def _of_file(self, file: Path) -> dict[str, Any]:
        require_regular_file(file)
        try:
            document = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (ValueError, RecursionError, yaml.YAMLError) as problem:
            raise InputError(f"{file}: is not YAML ({problem})") from problem
        if not isinstance(document, dict):
            raise InputError(f"{file}: expected lines of the form `option: value`")
        values: dict[str, Any] = {}
        unknown = []
        for key, value in document.items():
            name = str(key).replace("-", "_")
            option = next((o for o in self.table.values() if name in (o.name, *o.aliases)), None)
            if option is None:
                unknown.append(name)
            elif option.name in values:
                raise InputError(f"{file}: {option_name(option.name)} is given twice")
            else:
                values[option.name] = option.converted(value, where=f"{file}: ")
        if unknown:
            raise InputError(f"{file}: unknown options {sorted(unknown)}; see --help")
        return values

    def argparse(self) -> argparse.ArgumentParser:
        """The parser of argparse, which prints the help; it collects text without types."""
        parser = _OneLine(
            prog=self.prog,
            usage=" ".join(["%(prog)s [options]", *self.positional]),
            description=description(self.options),
            allow_abbrev=False,
            argument_default=argparse.SUPPRESS,
        )
        for option in self.table.values():
            _add(parser, option)
        parser.add_argument(
            "--config",
            metavar="PATH",
            help="YAML file with options; the command line overrides it.",
        )
        parser.add_argument("--debug", action="store_true", help="Show the traceback of an error.")
        return parser


class _OneLine(argparse.ArgumentParser):
    """Wrong usage is an InputError, which is printed like all others."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see {self.prog} --help")


def _add(parser: argparse.ArgumentParser, option: Option) -> None:
    how: dict[str, Any] = {"help": option.text.replace("%", "%%")}
    if option.positional:
        several = any(get_origin(kind) in LISTS for kind in option.types)
        parser.add_argument(option.name, nargs="*" if several else "?", **how)
        return
    how |= (
        {"action": argparse.BooleanOptionalAction}
        if option.is_flag
        else {"metavar": option.metavar}
    )
    parser.add_argument(option_name(option.name), dest=option.name, **how)
    for alias in option.aliases:
        how["help"] = argparse.SUPPRESS
        parser.add_argument(option_name(alias), dest=option.name, **how)
