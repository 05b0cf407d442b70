"""The command line: `instseg VERB ...`. Parses arguments and calls one command."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, get_origin, get_type_hints

import docstring_parser
import jsonargparse
import yaml  # type: ignore[import-untyped]

from instseg import __version__
from instseg.commands.terminal import console, error
from instseg.core.errors import ArgumentError, InputError


@dataclass(frozen=True, kw_only=True)
class Verb:
    """A command: module `instseg.commands.NAME` with `run` and a dataclass of options.

    Args:
        summary: One line for `instseg --help`.
        config: Name of the dataclass.
        positional: The one option that is given without its name, if any.
    """

    summary: str
    config: str
    positional: str | None = None


VERBS = {
    "infer": Verb(
        summary="find the instances in photos", config="InferConfig", positional="inputs"
    ),
    "finetune": Verb(summary="train on your own COCO annotations", config="FinetuneConfig"),
    "train-unet": Verb(
        summary="train a U-Net on annotations or label maps", config="TrainUnetConfig"
    ),
    "doctor": Verb(summary="find and repair what is wrong with a dataset", config="DoctorConfig"),
    "evaluate": Verb(
        summary="measure AP, how sure it is, and why it is not higher", config="EvaluateConfig"
    ),
    "compare-unet": Verb(
        summary="tell whether Mask R-CNN as label maps beats a U-Net", config="CompareUnetConfig"
    ),
    "make-scenes": Verb(summary="draw a dataset in COCO format", config="MakeScenesConfig"),
    "benchmark": Verb(
        summary="measure speed against torchvision and pycocotools",
        config="BenchmarkConfig",
        positional="what",
    ),
    "download": Verb(summary="fetch weights ahead", config="DownloadConfig", positional="weights"),
    "info": Verb(summary="show what a model file holds", config="InfoConfig", positional="file"),
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
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = _run(args, prog)
    except SystemExit as stop:  # argparse's after --help, and _terminate's
        code = stop.code if isinstance(stop.code, int) else 2
    except KeyboardInterrupt:
        error("interrupted")
        code = 130
    except Exception as problem:
        if debug:
            traceback.print_exc()
        error(_describe(problem))
        code = 2
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # `instseg ... | head` is no failure, nor worth a message at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _run(args: list[str], prog: str | None) -> int:
    name = args[0].replace("_", "-") if args else "--help"
    if name in ("-h", "--help", "--version"):
        console.print(f"instseg {__version__}" if name == "--version" else _overview())
        return 0 if args else 2
    if name not in VERBS:
        raise InputError(f"{args[0]} is no command; choose one of {', '.join(VERBS)}")
    verb = VERBS[name]
    command = importlib.import_module(f"instseg.commands.{name.replace('-', '_')}")
    config_class = getattr(command, verb.config)
    parser = _parser(config_class, prog or f"instseg {name}", verb.positional)
    options = parser.parse_args(_config_first(args[1:], config_class)).as_dict()
    del options["config"], options["debug"]
    if verb.positional and not options.get(verb.positional):
        raise InputError(f"no {verb.positional} given; see {parser.prog} --help")
    return int(command.run(config_class(**options)))


def _overview() -> str:
    lines = ["usage: instseg COMMAND [options]", "", "commands:"]
    lines += [f"  {name:<13}{verb.summary}" for name, verb in VERBS.items()]
    return "\n".join([*lines, "", "`instseg COMMAND --help` lists the options of a command."])


def _terminate(*_: object) -> NoReturn:
    error("terminated")
    raise SystemExit(128 + signal.SIGTERM)


def _describe(problem: Exception) -> str:
    if isinstance(problem, ArgumentError):
        return problem.as_options()
    if isinstance(problem, InputError):
        return str(problem)
    if isinstance(problem, argparse.ArgumentError):
        return _wrong_usage(str(problem))
    if isinstance(problem, OSError) and problem.strerror:
        return f"{problem.filename}: {problem.strerror}" if problem.filename else problem.strerror
    return f"unexpected {type(problem).__name__}: {problem}; run again with --debug to see where"


def _wrong_usage(message: str) -> str:
    """The parser's message in the words of the command line."""
    message = re.sub(r'(Parser|Option) key "([\w.]+)"', lambda key: _option(key[2]), message)
    message = re.sub(r"required: ([\w, ]+)", lambda keys: f"required: {_options(keys[1])}", message)
    message = re.sub(r"<class '(\w+)'>", r"\1", message)
    message = re.sub(  # of an option that may also be left out
        r"(?s)Does not validate .*?Errors:\s+- (.*?)\n.*Given value: ", r"\1. Got value: ", message
    )
    message = message.replace("Expected a list", "Expected a list in brackets, [first, second]")
    message = re.sub(r"a typing\.Literal\[(.*?)\]", r"one of \1", message)
    return f"{' '.join(message.split())}; see --help"


def _options(keys: str) -> str:
    return ", ".join(map(_option, keys.split(", ")))


def _option(key: str) -> str:
    return "--" + key.replace("_", "-")


class _Help(jsonargparse.DefaultHelpFormatter):
    """Each option with what it does and its default, without the names of Python types."""

    def _get_help_string(self, action: argparse.Action) -> str:
        silent = action.default is False or action.default in (None, argparse.SUPPRESS, [])
        return (action.help or "") + ("" if silent else " (default: %(default)s)")

    def _format_action_invocation(self, action: argparse.Action) -> str:
        return re.sub(r", --\S+\+ \S+", "", super()._format_action_invocation(action))


def _parser(config_class: type, prog: str, positional: str | None) -> jsonargparse.ArgumentParser:
    """The options of a dataclass: types from its fields, help from its docstring."""
    doc = docstring_parser.parse(config_class.__doc__ or "", docstring_parser.DocstringStyle.GOOGLE)
    parser = jsonargparse.ArgumentParser(
        prog=prog,
        usage="%(prog)s [options]" + (f" {positional}" if positional else ""),
        description=doc.description,
        formatter_class=_Help,
        print_config=None,
        exit_on_error=False,
        allow_abbrev=False,
    )
    words = {each.arg_name: each.description for each in doc.params}
    # Not jsonargparse's own add_class_arguments: it runs the module's `if TYPE_CHECKING` imports,
    # and --help would wait for torch.
    hints = get_type_hints(config_class)
    for option in fields(config_class):
        add = partial(parser.add_argument, help=words[option.name])
        _add_option(add, option, hints[option.name], positional=option.name == positional)
    parser.add_argument(
        "--config", action="config", help="YAML file with options; the command line goes first."
    )
    parser.add_argument("--debug", action="store_true", help="Show where an error happened.")
    return parser


def _add_option(
    add: Callable[..., Any], option: Field[Any], hint: Any, *, positional: bool
) -> None:
    default = option.default if option.default_factory is MISSING else option.default_factory()
    if positional:  # suppressed, or its default would overwrite what the config file says
        several = get_origin(hint) is list
        kind = {"nargs": "*", "type": str} if several else {"nargs": "?", "type": hint}
        add(option.name, default=argparse.SUPPRESS, **kind)
    elif hint is bool:
        add(_option(option.name), action=jsonargparse.ActionYesNo(no_prefix="no-"), default=default)
    elif default is MISSING:
        add(_option(option.name), type=hint, required=True)
    else:
        add(_option(option.name), type=hint, default=default)


def _config_first(args: list[str], config_class: type) -> list[str]:
    """Put the file's options before the others, which so have the last word.

    In the file they may be written with dashes or with underscores.
    """
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    finder.add_argument("--config", type=Path)
    found, rest = finder.parse_known_args(args)
    if found.config is None:
        return rest
    try:
        options = yaml.safe_load(found.config.read_text(encoding="utf-8"))
    except (ValueError, yaml.YAMLError) as problem:
        raise InputError(f"{found.config}: is not YAML ({problem})") from problem
    if not isinstance(options, dict):
        raise InputError(f"{found.config}: expected lines of the form `option: value`")
    named = {str(key).replace("-", "_"): value for key, value in options.items()}
    if unknown := named.keys() - {option.name for option in fields(config_class)}:
        raise InputError(f"{found.config}: unknown options {sorted(unknown)}; see --help")
    return [f"--config={json.dumps(named)}", *rest]
