import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from instseg import __version__
from instseg.cli import VERBS, main

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "torchvision", "matplotlib", "skimage", "scipy", "pycocotools", "numpy", "PIL")
ASK = """
import sys
from instseg.cli import main
code = main(sys.argv[1:])
print("loaded", *sys.modules)
sys.exit(code)
"""


def process(*arguments: str, **options) -> subprocess.Popen[str]:
    """A command of its own, as a user starts it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *arguments], env=environment, **(pipes | options))


def as_on_a_terminal() -> None:
    """Let Ctrl-C through, which whatever a shell runs in the background ignores."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("verb", VERBS)
def test_help_is_tidy_and_loads_nothing_heavy(verb):
    with process("-c", ASK, verb, "--help") as help_process:
        text, errors = help_process.communicate()
    assert (help_process.returncode, errors) == (0, "")
    usage, _, loaded = text.partition("loaded ")
    assert usage.startswith(f"usage: instseg {verb} [options]")
    assert "--config" in usage
    assert "--debug" in usage
    options = [word for word in usage.split() if word.startswith("--")]
    assert not [option for option in options if "_" in option]
    assert "print" not in " ".join(options)
    assert not set(HEAVY) & set(loaded.split())


def test_python_runs_the_package_too():
    with process("-m", "instseg", "infer", "no.jpg", "neither.jpg") as run:
        text, errors = run.communicate()
    assert (run.returncode, text) == (2, "")
    assert errors == "instseg: no.jpg: no such file, nor any of the 2; check the name\n"


def test_infer_loads_only_what_it_uses(tmp_path):
    """Torch's compiler, which torchvision asks for, takes as long to load as torch itself."""
    Image.new("RGB", (320, 240), "white").save(tmp_path / "photo.png")
    options = ["--weights", "photos", "--out", str(tmp_path / "out")]
    with process("-c", ASK, "infer", str(tmp_path / "photo.png"), *options) as infer_process:
        text, errors = infer_process.communicate()
    assert (infer_process.returncode, errors) == (0, "")
    loaded = set(text.partition("loaded ")[2].split())
    assert {"torch", "torchvision", "PIL.Image"} <= loaded
    unused = {"torch._dynamo", "sympy", "scipy", "skimage", "matplotlib", "tifffile", "tensorboard"}
    assert not loaded & {*unused, "faster_coco_eval", "instseg.training", "instseg.evaluation"}


def test_overview_and_version(capsys):
    assert main(["--help"]) == 0
    overview = capsys.readouterr().out
    assert all(f"  {verb} " in overview for verb in VERBS)
    assert main([]) == 2
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.endswith(f"instseg {__version__}\n")


@pytest.mark.parametrize("verb", VERBS)
def test_tool_of_each_command_runs_from_a_checkout(verb, tmp_path):
    tool = ROOT / "tools" / f"{verb.replace('-', '_')}.py"
    done = subprocess.run(
        [sys.executable, tool, "--help"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(f"usage: {tool} [options]")


def test_every_tool_is_a_command():
    tools = {path.stem.replace("_", "-") for path in (ROOT / "tools").glob("*.py")}
    assert tools == set(VERBS)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["bogus"], "bogus is no command; choose one of infer"),
        (["make-scenes", "--imges", "3"], "unrecognized arguments: --imges"),
        (["make-scenes", "--images", "many"], "--images must be a whole number, not many"),
        (["finetune", "--epochs", "many"], "--epochs must be a whole number, not many"),
        (["finetune", "--augment", "x"], "--augment must be a list in brackets"),
        (["infer", "x.jpg", "--preset", "slow"], "--preset must be one of default, fast, not slow"),
        (
            ["benchmark", "x"],
            "what must be one of infer, postprocess, draw, train, evaluate, read, convert, memory, "
            "track, serve, not x",
        ),
        (["doctor"], "say what to check: --coco-json or --data"),
        (["infer"], "no inputs given"),
        (["infer", "nothing*.jpg"], "nothing*.jpg"),
        (["info", "missing.safetensors"], "missing.safetensors: no such weights file"),
        (["info", "--config", "missing.yaml"], "missing.yaml: No such file or directory"),
    ],
)
def test_what_the_user_got_wrong_is_one_line(arguments, told, capsys):
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("instseg: ")
    assert len(printed.err.splitlines()) == 1
    assert told in printed.err
    assert printed.out == ""


def test_debug_adds_the_traceback(capsys):
    assert main(["info", "missing.safetensors", "--debug"]) == 2
    errors = capsys.readouterr().err
    assert "Traceback" in errors
    assert errors.splitlines()[-1].startswith("instseg: missing.safetensors")


def test_options_come_from_a_file_and_the_command_line_goes_first(tmp_path, capsys):
    config = tmp_path / "scenes.yaml"
    out = tmp_path / "from_file"
    config.write_text(f"out: {out}\nimages: 2\nsize: 64\nmost-objects: 3\nleast_objects: 1\n")
    for arguments in (
        ["--config", str(config), "--images", "1"],
        ["--images=1", f"--config={config}"],
    ):
        assert main(["make_scenes", *arguments]) == 0
        assert len(list((out / "images").iterdir())) == 1
        assert str(out) in capsys.readouterr().out


def test_positional_comes_from_a_file_too(tmp_path, capsys):
    config = tmp_path / "info.yaml"
    config.write_text("file: from_file.safetensors\n")
    assert main(["info", "--config", str(config)]) == 2
    assert "from_file.safetensors" in capsys.readouterr().err
    assert main(["info", "typed.safetensors", "--config", str(config)]) == 2
    assert "typed.safetensors" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("imges: 3\n", "unknown options ['imges']"),
        ("images: many\n", "--images must be a whole number, not many"),
        ("- images\n", "expected lines of the form"),
        ("images: [\n", "is not YAML"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path, text, told, capsys):
    config = tmp_path / "scenes.yaml"
    config.write_text(text)
    assert main(["make-scenes", "--config", str(config)]) == 2
    errors = capsys.readouterr().err
    assert told in errors
    assert len(errors.splitlines()) == 1


def test_interrupt_is_one_line(tmp_path):
    arguments = ("tools/make_scenes.py", "--images", "2000", "--out", str(tmp_path))
    with process(*arguments, cwd=ROOT, preexec_fn=as_on_a_terminal) as running:
        deadline_s = time.monotonic() + 60
        while not list((tmp_path / "images").glob("*")):
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        errors = running.communicate()[1]
    assert (running.returncode, errors) == (130, "instseg: interrupted\n")


@pytest.mark.parametrize("arguments", [["--help"], ["info", "--help"]])
def test_a_reader_that_leaves_early_is_no_error(arguments):
    script = f"import sys; from instseg.cli import main; sys.exit(main({arguments}))"
    with process("-c", script) as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.stderr is not None
        errors = running.stderr.read()
    assert (running.returncode, errors) == (0, "")


@pytest.mark.parametrize("arguments", [["--help"], ["info", "--help"], ["infer", "--help"]])
def test_help_without_a_place_to_write(arguments):
    with (
        Path("/dev/full").open("w") as full,
        process("-m", "instseg", *arguments, stdout=full) as running,
    ):
        errors = running.communicate()[1]
    assert (running.returncode, errors) == (2, "instseg: No space left on device\n")
    closed = {"preexec_fn": lambda: os.close(1)}
    with process("-m", "instseg", *arguments, stdout=None, **closed) as running:
        errors = running.communicate()[1]
    assert (running.returncode, errors) == (0, "")


def test_a_command_runs_in_a_thread_and_leaves_the_handlers_alone(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    codes = []
    arguments = ["make-scenes", "--images", "1", "--size", "64", "--out", str(tmp_path)]
    thread = threading.Thread(target=lambda: codes.append(main(arguments)))
    thread.start()
    thread.join()
    assert codes == [0]
    assert main(["--version"]) == 0
    assert signal.getsignal(signal.SIGTERM) is before


def test_tools_do_not_hide_modules_of_the_standard_library():
    """The folder of a script is where Python looks first, and one is called `select`."""
    for path in (ROOT / "tools").glob("*.py"):
        assert "sys.path[0] = str(" in path.read_text(), f"{path}: see tools/infer.py"
