"""What `import instseg` offers."""

import subprocess
import sys

import pytest

import instseg


@pytest.mark.parametrize("name", instseg.__all__)
def test_every_name_is_there(name):
    assert getattr(instseg, name).__name__ == name


def test_importing_it_loads_nothing_heavy():
    code = "import instseg, sys; print({'torch', 'numpy', 'matplotlib'} & sys.modules.keys())"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"
