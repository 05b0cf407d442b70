"""The command line: `instseg VERB ...`. Parses arguments and calls one command."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import NoReturn

from instseg import __version__
from instseg.commands.parser import Parser
from instseg.commands.terminal import console, error
from instseg.core.errors import ArgumentError, InputError
from instseg.system.threads import use_threads


@dataclass(frozen=True, kw_only=True)
class Verb:
    """A command: module `instseg.commands.NAME` with `run` and `Options`, its dataclass.

    Args:
        summary: One line for `instseg --help`.
        positional: The options that are given without their names, if any.
        threads: Whether it runs networks, and so has the option `--threads`.
    """

    summary: str
    positional: str | Sequence[str] = ()
    threads: bool = False


VERBS = {
    "infer": Verb(
        summary="find the instances in photos and videos", positional="inputs", threads=True
    ),
    "finetune": Verb(summary="fine-tune on COCO annotations", threads=True),
    "train-unet": Verb(summary="train a U-Net or another semantic network", threads=True),
    "convert": Verb(
        summary="convert labels between the formats of tools", positional=("source", "out")
    ),
    "split": Verb(summary="split a dataset into train, val and test", positional=("source", "out")),
    "merge": Verb(summary="merge datasets into one", positional=("sources", "out")),
    "doctor": Verb(summary="check a COCO dataset, and repair it"),
    "evaluate": Verb(
        summary="measure COCO AP, with confidence intervals and causes of errors",
        threads=True,
    ),
    "select": Verb(summary="choose the photos to label next", positional="photos", threads=True),
    "compare-unet": Verb(
        summary="compare Mask R-CNN, as semantic maps, with a U-Net", threads=True
    ),
    "make-scenes": Verb(summary="draw a dataset in COCO format"),
    "benchmark": Verb(
        summary="measure speed against torchvision and pycocotools",
        positional="what",
        threads=True,
    ),
    "export": Verb(
        summary="export a model to ONNX or OpenVINO", positional="weights", threads=True
    ),
    "serve": Verb(summary="answer requests for the instances in photos, over HTTP"),
    "download": Verb(summary="download weights ahead", positional="weights"),
    "info": Verb(summary="show what a model file contains", positional="file"),
}


def main(argv: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Run one command.

    Args:
        argv: The verb and its arguments; those of the process if None.
        prog: How the help names the command; `instseg VERB` if None.

    Returns:
        0 done, 1 some inputs failed, 2 wrong usage or nothing could be done, 130 interrupted.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in args
    try:
        with _ended_by_sigterm():
            code = _run(args, prog)
    except SystemExit as stop:  # argparse's after --help, and _terminate's
        code = stop.code if isinstance(stop.code, int) else 2
    except KeyboardInterrupt:
        error("interrupted")
        code = 130
    except BaseException as problem:  # a panic of compiled code need not be an Exception
        if debug:
            traceback.print_exc()
        error(_describe(problem))
        code = 2
    return _flushed(code)


def _flushed(code: int) -> int:
    """The exit code, once all output is written; 2 if that fails."""
    if sys.stdout is None:  # closed by whoever started the process
        return code
    try:
        sys.stdout.flush()
    except OSError as problem:
        if not isinstance(problem, BrokenPipeError):  # `instseg ... | head` is no failure
            error(_describe(problem))
            code = 2
        # Python flushes once more at exit, and would complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _run(args: list[str], prog: str | None) -> int:
    name = args[0].replace("_", "-") if args else "--help"
    if name in ("-h", "--help", "--version"):
        console.print(f"instseg {__version__}" if name == "--version" else _overview())
        return 0 if args else 2
    if name not in VERBS:
        raise InputError(f"{args[0]} is no command; choose one of {', '.join(VERBS)}")
    command, parser = command_of(name, prog)
    if {"-h", "--help"} & {*args[1:]}:  # argparse would hide the error of a full disk
        console.print(parser.argparse().format_help(), end="")
        return 0
    options = parser.parse(args[1:])
    if VERBS[name].threads:
        use_threads(parser.threads)
    return int(command.run(options))


def command_of(name: str, prog: str | None = None) -> tuple[ModuleType, Parser]:
    """The module of a command, and what reads its arguments."""
    verb = VERBS[name]
    command = importlib.import_module(f"instseg.commands.{name.replace('-', '_')}")
    options = command.Options
    return command, Parser(
        options, prog or f"instseg {name}", verb.positional, threads=verb.threads
    )


def _overview() -> str:
    lines = ["usage: instseg COMMAND [options]", "", "commands:"]
    lines += [f"  {name:<13}{verb.summary}" for name, verb in VERBS.items()]
    return "\n".join([*lines, "", "`instseg COMMAND --help` lists the options of a command."])


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """In a thread other than the main one, which alone may set handlers, this does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def _terminate(*_: object) -> NoReturn:
    error("terminated")
    raise SystemExit(128 + signal.SIGTERM)


def _describe(problem: BaseException) -> str:
    if isinstance(problem, ArgumentError):
        return problem.as_options()
    if isinstance(problem, InputError):
        return str(problem)
    if isinstance(problem, OSError) and problem.strerror:
        return f"{problem.filename}: {problem.strerror}" if problem.filename else problem.strerror
    return f"unexpected {type(problem).__name__}: {problem}; run again with --debug to see where"
