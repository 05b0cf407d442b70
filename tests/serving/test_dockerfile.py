"""The Dockerfile: its parts exist, its command is one, and it runs as an ordinary user."""

import json
import re
from pathlib import Path

from instseg.cli import command_of

ROOT = Path(__file__).resolve().parents[2]
FILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")


def test_it_copies_what_is_there_and_not_ignored():
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"}
    sources = [
        name
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", FILE, re.M)
        for name in line.split()
    ]
    assert sources
    assert set(sources) == kept
    assert all((ROOT / name).exists() for name in sources)


def test_its_command_is_understood():
    words = [
        json.loads(re.search(rf"^{name} (.*)$", FILE, re.M)[1]) for name in ("ENTRYPOINT", "CMD")
    ]
    program, verb, *options = words[0] + words[1]
    assert (program, verb) == ("instseg", "serve")
    parsed = command_of("serve")[1].parse(options)
    assert (parsed.host, parsed.port, parsed.weights) == ("0.0.0.0", 8000, "photos")


def test_it_runs_as_an_ordinary_user():
    last_stage = FILE.rsplit("\nFROM ", 1)[1]
    assert int(re.search(r"^USER (\d+)$", last_stage, re.M)[1]) > 0
    assert "/health" in re.search(r"HEALTHCHECK(.*)", last_stage)[1]
