"""Where and in what arithmetic a network runs."""

import pytest
import torch

from instseg.core.errors import InputError
from instseg.system.device import choose_device, choose_dtype, forked_rng, has_native_bf16


def test_devices_by_name():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(InputError, match="device nowhere is not available on this machine"):
        choose_device("nowhere")


def test_arithmetic_by_name():
    cpu = torch.device("cpu")
    assert choose_dtype("fp32", cpu) == torch.float32
    assert choose_dtype("bf16", cpu) == torch.bfloat16
    native = torch.bfloat16 if has_native_bf16(cpu) else torch.float32
    assert choose_dtype("auto", cpu) == native
    assert choose_dtype("auto", torch.device("meta")) == torch.float32
    with pytest.raises(InputError, match="precision 'int8' is unknown; use one of auto, fp32"):
        choose_dtype("int8", cpu)


def test_random_numbers_go_on_as_if_the_block_had_not_been():
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    with forked_rng("cpu"):
        torch.manual_seed(7)
        torch.rand(5)
    assert torch.equal(torch.rand(2), expected)
