"""The examples of the documentation run."""

import ast
import json
import re
from pathlib import Path

import pytest

import instseg
from instseg.cli import VERBS, command_of
from instseg.core.errors import option_name

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"(<!-- not run: .*? -->\n)?^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ELSEWHERE = {  # options of all commands and of other programs
    *("--help", "--config", "--debug"),
    *("--constraint", "--logdir", "--nproc-per-node", "--standalone"),
    *("--annotation_format", "--annotation_path", "--labels"),  # of CVAT and LabelMe
    *("--address", "--head"),  # of Ray
    *("--master-addr", "--master-port", "--nnodes", "--node-rank"),  # of torchrun
    *("--peers", "--seeds"),  # of scripts in docs/tooling
    *("--data-binary", "--form", "--header", "--output"),  # of curl
    *("--build-arg", "--cap-drop", "--env", "--gpus", "--publish", "--read-only"),  # of Docker
    *("--stop-timeout", "--tag", "--tmpfs", "--volume"),
    *("--address", "--head", "--working-dir"),  # of Ray
    *("--master-addr", "--master-port", "--nnodes", "--node-rank"),  # of torchrun
}
STAND_INS = {
    '"coco-v2"': '"demo"',  # needs no download
    '"photos"': '"demo"',  # the examples' photos are drawn
    '"out/train_unet/best.safetensors"': '"unet-demo"',  # of an earlier run
    "max_steps=2000": "max_steps=2",
    'unet="photos-unet")': 'unet="photos-unet", speed=False)',
}


def code_of(page: Path) -> str:
    """All examples of a page that are to be run, one after the other."""
    blocks = [code for left_out, code in BLOCK.findall(page.read_text()) if not left_out]
    code = "\n".join(blocks)
    for name, stand_in in STAND_INS.items():
        code = code.replace(name, stand_in)
    return code


@pytest.mark.parametrize(
    "page", [page for page in PAGES if code_of(page)], ids=lambda page: page.stem
)
def test_examples_of_a_page_run_from_top_to_bottom(page, with_photos):
    code = code_of(page)
    if "clip.mp4" in code:
        pytest.importorskip("av", reason="needs PyAV: pip install 'instseg[video]'")
    exec(compile(code, page.name, "exec"), {})


def test_the_notebook_runs_and_shows_its_results(tmp_path, monkeypatch):
    notebook = json.loads((ROOT / "docs" / "photo_to_model.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    tables = []
    for cell in cells:
        for many, few in {'"train", 60': '"train", 6', '"val", 20': '"val", 3'}.items():
            cell = cell.replace(many, few)
        body = ast.parse(cell.replace("epochs=3", "epochs=1")).body
        last = body.pop() if isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), "cell", "exec"), names)
        if isinstance(last, ast.Expr):
            shown = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
            assert shown is not None
            tables += [shown._repr_html_()] if hasattr(shown, "_repr_html_") else []
    assert sum("<table" in table for table in tables) >= 4  # examination, evaluations, training
    assert not [cell for cell in notebook["cells"] if cell.get("outputs")]


def test_every_option_that_is_named_exists():
    names = {name for verb in VERBS for name in command_of(verb)[1].table}
    options = {option_name(name) for name in names} | ELSEWHERE
    for page in PAGES:
        named = re.findall(r"(?<![\w-])--(?:no-)?([a-z][a-z0-9_-]*[a-z0-9])", page.read_text())
        unknown = {f"--{name}" for name in named} - options
        assert not unknown, f"{page} names {unknown}"


def test_every_public_name_has_an_example_and_a_reference():
    pages = [page.read_text() for page in sorted((ROOT / "docs" / "api").glob("*.md"))]
    for name in instseg.__all__:
        (page,) = [page for page in pages if re.search(rf"^::: instseg\.{name}$", page, re.M)]
        examples = "\n".join(code for _, code in BLOCK.findall(page))
        assert re.search(rf"\b{name}\b", examples), f"{name} has no example"
