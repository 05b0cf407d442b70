"""What a measurement was made with."""

import torch

from instseg.system.versions import versions


def test_versions_name_what_numbers_depend_on():
    found = versions()
    assert found["torch"] == torch.__version__
    assert {"torchvision", "numpy", "pycocotools", "python", "cores", "cpu"} <= found.keys()
