"""Torchvision is imported without torch's compiler, and the compiler still works."""

import subprocess
import sys

START = """
import sys
import instseg.models
assert "torchvision" in sys.modules
assert "torch._dynamo.utils" not in sys.modules
"""


def run(code):
    done = subprocess.run(
        [sys.executable, "-c", START + code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_compiler_stays_out_until_it_is_asked_for():
    run("""
from torchvision.ops.roi_align import is_compile_supported
assert "sympy" not in sys.modules
assert is_compile_supported("cpu") in (True, False)
from torch._dynamo.utils import is_compile_supported as real
assert is_compile_supported("cpu") == real("cpu")
""")


def test_torchvisions_roi_align_works():
    run("""
import torch
from torchvision.ops import roi_align
boxes = torch.tensor([[0.0, 1, 1, 5, 5]])
assert roi_align(torch.ones(1, 2, 8, 8), boxes, 2).eq(1).all()
""")
