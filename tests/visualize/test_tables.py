"""Tables, and the weights of a network in one."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from instseg import load_model
from instseg.visualize import display_table, display_weight_stats
from instseg.visualize.tables import Table, weight_stats


def test_text_where_there_is_no_notebook(capsys):
    display_table([["name", "size"], ["a <b>", 12], ["longer", 3]])
    assert capsys.readouterr().out == "name    size\na <b>   12\nlonger  3\n"


def test_html_in_a_notebook():
    html = Table((("name",), ("a <b>",)))._repr_html_()
    assert "<th>name</th>" in html and "<td>a &lt;b&gt;</td>" in html
    assert Table(())._repr_html_() == ""


def test_weights_of_a_network_are_listed(capsys):
    network = torch.nn.Linear(2, 3)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[1.0, 2], [3, 4], [5, -2000]]))
        network.bias.fill_(0.5)
    display_weight_stats(network)
    head, weight, bias = capsys.readouterr().out.splitlines()
    assert head.split() == ["weight", "shape", "min", "max", "std"]
    assert weight.startswith("weight *** overflow?") and "3 x 2" in weight
    assert "-2000.000000" in weight and "+5.000000" in weight
    assert bias.startswith("bias *** dead?") and "+0.500000" in bias


def test_a_loaded_model_and_half_precision(tiny_weights):
    model = load_model(tiny_weights)
    rows = weight_stats(model)
    assert len(rows) == len(list(model.network.named_parameters()))
    bfloat = torch.nn.Linear(4, 4).bfloat16()
    assert weight_stats(bfloat)[0][1] == "4 x 4"


def test_not_finite_is_marked():
    class Named:
        def named_parameters(self):
            return iter([("a", np.array([np.nan, 1])), ("b", np.array(2.0)), ("c", np.empty(0))])

    names = [row[0] for row in weight_stats(Named())]
    assert names == ["a *** not finite", "b", "c (empty)"]


def test_what_has_no_weights():
    with pytest.raises(ValueError, match=r"model: expected a network .* got int"):
        display_weight_stats(3)


def test_visualize_loads_neither_torch_nor_matplotlib():
    code = (
        "import sys; from instseg import visualize; visualize.random_colors(3);"
        "visualize.display_weight_stats;"
        "sys.exit(sorted({'torch', 'matplotlib', 'IPython'} & sys.modules.keys()) or 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
