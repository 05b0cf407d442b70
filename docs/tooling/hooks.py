"""What the documentation site makes while it is built.

The command line reference comes from the parsers, the notebook becomes a page, and the results of
functions are documented where the functions are.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import griffe
from mkdocs.structure.files import File, Files

from instseg.cli import VERBS, command_of
from instseg.commands.option import Option, description
from instseg.commands.parser import Parser

NOTEBOOK = Path(__file__).resolve().parents[1] / "photo_to_model.ipynb"
RESULT_OF = re.compile(r"^<!-- result of instseg\.(\w+) -->$", re.MULTILINE)


def on_config(config: Any) -> Any:
    """Add the command line reference to the navigation."""
    pages: list[dict[str, str]] = [{"Overview": "cli/index.md"}]
    config.nav.append({"Command line": pages + [{name: f"cli/{name}.md"} for name in VERBS]})
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made here."""
    made = {f"cli/{name}.md": _command(name) for name in VERBS}
    made["cli/index.md"] = _commands()
    made["photo_to_model.md"] = _notebook(json.loads(NOTEBOOK.read_text(encoding="utf-8")))
    for path, content in made.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the class that a function returns where its page asks for it."""
    return RESULT_OF.sub(lambda found: f"::: {_result_of(found[1])}", markdown)


def _result_of(name: str) -> str:
    return str(_package()[name].returns.canonical_path)


@cache
def _package() -> Any:
    return griffe.load("instseg", search_paths=[NOTEBOOK.parents[1]], resolve_aliases=True)


def _commands() -> str:
    rows = [f"| [`{name}`]({name}.md) | {verb.summary} |" for name, verb in VERBS.items()]
    lines = [
        "# Command line",
        "Each command is `instseg COMMAND`, or `python tools/COMMAND.py` in a checkout.",
        "\n".join(["| command | what it does |", "|---|---|", *rows]),
        "`--config file.yaml` reads options from a file, named as on the command line, with dashes "
        "or underscores; the command line overrides the file. Unknown options are refused.",
        "Exit codes: 0 done, 1 some inputs failed, 2 wrong usage or nothing could be done, "
        "130 interrupted.",
    ]
    return "\n\n".join(lines)


def _command(name: str) -> str:
    _, parser = command_of(name)
    positional = "".join(f" {name}" for name in parser.positional)
    lines = [
        f"# instseg {name}",
        description(parser.options),
        f"```\ninstseg {name} [options]{positional}\n```",
        *(_option(option) for option in _sorted(parser)),
        "`--config PATH`\n\n:   YAML file with options; the command line overrides it.",
        "`--debug`\n\n:   Show the traceback of an error.",
    ]
    return "\n\n".join(lines)


def _sorted(parser: Parser) -> list[Option]:
    """The positional option first, the others as they are declared."""
    return sorted(parser.table.values(), key=lambda option: not option.positional)


def _option(option: Option) -> str:
    return f"`{option.usage}`\n\n:   {option.text}"


def _notebook(notebook: Any) -> str:
    """The cells of a notebook as Markdown, without their outputs."""
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
    parts.insert(1, f"This page is a [notebook]({NOTEBOOK.name}).")
    return "\n\n".join(parts)
