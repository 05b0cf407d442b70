"""What `import instseg` offers."""

import inspect
import pkgutil
import re
import subprocess
import sys

import pytest

import instseg

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(instseg.__path__, "instseg.")
    if not module.name.endswith("__main__")
)
IMPORT_ALL = """
import importlib, sys
for name in sys.stdin.read().split():
    try:
        importlib.import_module(name)
    except ImportError as error:  # of an extra that is not installed
        if (error.name or "").split(".")[0] == "instseg":
            raise
"""


@pytest.mark.parametrize("name", instseg.__all__)
def test_every_name_is_there(name):
    assert getattr(instseg, name).__name__ == name


@pytest.mark.parametrize("name", sorted({*instseg.__all__} - {"InputError"}))
def test_signatures_are_shown_as_they_are_written(name):
    signature = str(inspect.signature(getattr(instseg, name)))
    assert not re.search(r" at 0x|typing\.", signature)


def test_importing_it_loads_nothing_heavy():
    code = "import instseg, sys; print({'torch', 'numpy', 'matplotlib'} & sys.modules.keys())"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"


def test_every_module_can_be_imported():
    subprocess.run(
        [sys.executable, "-c", IMPORT_ALL], input="\n".join(MODULES), text=True, check=True
    )


@pytest.mark.parametrize("name", ["compare", "evaluate", "examine", "finetune", "train_unet"])
def test_help_describes_each_argument_of_a_verb(name):
    verb = getattr(instseg, name)
    for argument in inspect.signature(verb).parameters:
        assert f"\n    {argument}: " in verb.__doc__
    assert not re.search(r"`\w+Options`|infer ray", verb.__doc__)
