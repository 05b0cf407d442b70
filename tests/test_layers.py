"""The layers of the design, read from the imports: who may know of whom."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = [  # each imports only from lower layers and, within its own, only from its own folder
    {"core"},
    {"system"},
    {"files"},
    {"report"},
    {"models", "doctor", "scenes", "visualize"},
    {"engines", "formats"},
    {"data"},
    {"predict"},
    {"evaluation"},
    {"training", "comparison", "exporting", "selecting", "video", "cluster", "serving"},
    {"benchmark"},
    {"commands"},
    {"cli"},
    {"__main__"},
    {"tools"},
]
LAYER_OF = {name: layer for layer, names in enumerate(LAYERS) for name in names}
WITHOUT_TORCH = {
    *(
        "core",
        "system",
        "files",
        "report",
        "doctor",
        "scenes",
        "visualize",
        "evaluation",
        "formats",
    ),
}
FILES = sorted([*(ROOT / "instseg").rglob("*.py"), *(ROOT / "tools").glob("*.py")])


def part_of(module: str) -> str:
    """The file or folder of the package that a dotted name lies in; "" for the package itself."""
    return [*module.split("."), ""][1]


def module_of(path: Path) -> str:
    """`instseg/scenes/scene.py` is instseg.scenes.scene, every tool is instseg.tools.NAME."""
    relative = path.relative_to(ROOT).with_suffix("")
    parts = relative.parts if relative.parts[0] == "instseg" else ("instseg", *relative.parts)
    return ".".join(part for part in parts if part != "__init__")


def imports_of(path: Path, *, whole_names: bool = False) -> set[str]:
    """Dotted names of everything a file imports, inside functions too.

    With `whole_names`, `from instseg.core import rle` is instseg.core.rle.
    """
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            whole = whole_names or node.module == "instseg"  # `from instseg import core`
            found |= inner if whole else {str(node.module)}
    return found


def ids(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_imports_go_down(path):
    mine = part_of(module_of(path))
    if not mine:
        return  # the package itself hands on names of every layer
    assert mine in LAYER_OF, f"{mine} has no layer"
    for module in imports_of(path):
        part = part_of(module) if module.split(".")[0] == "instseg" else ""
        if part not in LAYER_OF:  # another package, or __version__
            continue
        allowed = LAYER_OF[part] < LAYER_OF[mine] or part == mine
        assert allowed, f"{mine} (layer {LAYER_OF[mine]}) imports {module} ({LAYER_OF[part]})"


def files_of_imports() -> dict[str, set[str]]:
    """For each file of the package, by dotted name, the files that it imports."""
    modules = {module_of(path): path for path in FILES}

    def file_of(name: str) -> str | None:
        parts = name.split(".")
        prefixes = [".".join(parts[:k]) for k in range(len(parts), 1, -1)]
        return next((each for each in prefixes if each in modules), None)

    graph = {}
    for module, path in modules.items():
        found = {file_of(name) for name in imports_of(path, whole_names=True)}
        graph[module] = {name for name in found if name and name != module}
    del graph["instseg"]  # hands on names of every layer
    return graph


def test_no_file_imports_itself_through_others():
    graph = files_of_imports()
    while leaves := [name for name, needs in graph.items() if not needs & graph.keys()]:
        for name in leaves:
            del graph[name]
    circle = {name: sorted(needs & graph.keys()) for name, needs in sorted(graph.items())}
    assert not circle, "these import each other in a circle, or what does"


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_only_commands_print_and_parse_arguments(path):
    mine = part_of(module_of(path))
    if LAYER_OF.get(mine, 0) >= LAYER_OF["commands"]:
        return
    names = {module.split(".")[0] for module in imports_of(path)}
    assert not names & {"argparse", "rich"}
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert not [call for call in calls if getattr(call.func, "id", "") == "print"]


def test_what_needs_no_torch_does_not_load_it():
    modules = [module_of(path) for path in FILES if part_of(module_of(path)) in WITHOUT_TORCH]
    lines = [*(f"import {module}" for module in modules), "import sys"]
    lines += ["sys.exit(sorted({'torch', 'torchvision'} & sys.modules.keys()) or 0)"]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
