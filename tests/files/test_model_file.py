import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from model_cards import make_card
from safetensors.torch import save_file

from instseg.core.errors import InputError
from instseg.files.model_file import (
    describe,
    load_model_file,
    load_torch_state_dict,
    read_model_card,
    save_model_file,
)


def make_state_dict() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    convolution = torch.randn(8, 3, 3, 3, generator=generator)
    tied = torch.randn(4, 4, generator=generator)
    return {
        "conv.weight": convolution.to(memory_format=torch.channels_last),
        "head.weight": tied,
        "tied.weight": tied,
        "transposed.weight": torch.randn(5, 2, generator=generator).T,
        "bn.num_batches_tracked": torch.tensor(123_456_789_012),
        "anchors": torch.arange(6, dtype=torch.int32),
        "empty": torch.zeros(0, 4),
    }


def test_card_and_tensors_come_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "model.safetensors"
    save_model_file(path, make_state_dict(), make_card())
    card, state_dict = load_model_file(path)
    assert card == read_model_card(path) == make_card()
    assert state_dict.keys() == make_state_dict().keys()
    for name, tensor in make_state_dict().items():
        assert state_dict[name].dtype == tensor.dtype
        assert torch.equal(state_dict[name], tensor)
    assert list(path.parent.iterdir()) == [path]


def test_half_precision_touches_only_floating_tensors(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_model_file(path, make_state_dict(), make_card(), dtype=torch.float16)
    _, state_dict = load_model_file(path)
    for name, tensor in make_state_dict().items():
        expected = tensor.half().float() if tensor.is_floating_point() else tensor
        assert state_dict[name].dtype == expected.dtype
        assert torch.equal(state_dict[name], expected)
    about = describe(path)
    assert about["card"] == make_card()
    assert about["tensors"] == 7
    assert about["parameters"] == 216 + 16 + 16 + 10
    assert about["dtypes"] == {"F16": 5, "I64": 1, "I32": 1}
    assert about["bytes"] == path.stat().st_size


def test_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_model_file(tmp_path / name, make_state_dict(), make_card())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_trained_parameters_can_be_saved(tmp_path: Path) -> None:
    layer = torch.nn.Linear(3, 2)
    save_model_file(tmp_path / "m", layer.state_dict(keep_vars=True), make_card())
    assert torch.equal(load_model_file(tmp_path / "m")[1]["weight"], layer.weight)


def test_header_is_read_without_torch(tmp_path: Path) -> None:
    save_model_file(tmp_path / "m.safetensors", make_state_dict(), make_card())
    code = (
        "import sys; from instseg.files.model_file import describe; "
        "print(describe(sys.argv[1])['card'].architecture, 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "m.safetensors")]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.split() == ["compact", "False"]


def bad_model_files(folder: Path) -> dict[str, str]:
    """Write one file of each bad kind; say which words its message must have."""
    save_model_file(folder / "good", make_state_dict(), make_card())
    data = (folder / "good").read_bytes()
    for size in (0, 7, 8, 100, len(data) - 1):
        (folder / f"cut_{size}").write_bytes(data[:size])
    (folder / "longer").write_bytes(data + b"\0")
    (folder / "text").write_text("<html>404 Not Found</html>")
    (folder / "list").write_bytes(b"\x02" + bytes(7) + b"[]")
    torch.save(make_state_dict(), folder / "torch.pth")
    save_file({"a": torch.zeros(2)}, folder / "foreign")
    fields = json.loads(make_card().to_json())
    for name, changed in {
        "newer": {**fields, "format_version": 2},
        "unknown_field": {**fields, "surprise": 1},
        "no_field": {"format_version": 1, "architecture": "compact"},
        "bad_ids": {**fields, "category_ids": [0]},
        "no_object": [],
        "million_classes": {**fields, "architecture_args": {"num_classes": 10**9}},
        "wide": {**fields, "architecture_args": {"width": [[10**7]]}},
        "classes_of_another": {**fields, "architecture_args": {"num_classes": 1000}},
        "no_classes": {**fields, "architecture_args": {"num_classes": 0}},
        "few_classes": {**fields, "architecture_args": {"num_classes": 50}},
        "text_ids": {**fields, "category_ids": "abc"},
        "text_arguments": {**fields, "architecture_args": "x"},
        "numbers_as_names": {**fields, "class_names": ["BG", 1, 2]},
    }.items():
        save_file({"a": torch.zeros(2)}, folder / name, metadata={"instseg": json.dumps(changed)})
    (folder / "folder").mkdir()
    not_safetensors = dict.fromkeys(
        ("cut_0", "cut_7", "cut_8", "cut_100", "text", "list", "torch.pth"), "not a safetensors"
    )
    return {
        **not_safetensors,
        f"cut_{len(data) - 1}": "cut off",
        "longer": "damaged",
        "foreign": "without the header",
        "newer": "format version 2",
        "unknown_field": "surprise",
        "no_field": "fields missing",
        "bad_ids": "category id",
        "no_object": "header cannot be used",
        "million_classes": "num_classes|fit its tensors",
        "wide": "10000000 does not fit its tensors",
        "classes_of_another": "1000 does not fit its tensors",
        "no_classes": "num_classes: expected a number of classes",
        "few_classes": "50 outputs do not fit the ids",
        "text_ids": "category_ids",
        "text_arguments": "architecture_args",
        "numbers_as_names": "class_names",
        "missing": "cannot be read",
        "folder": "cannot be read",
    }


def test_bad_model_files_get_one_line_that_names_them(tmp_path: Path) -> None:
    for name, words in bad_model_files(tmp_path).items():
        for read in (read_model_card, describe, load_model_file):
            with pytest.raises(InputError) as caught:
                read(tmp_path / name)
            message = str(caught.value)
            assert message.startswith(f"{tmp_path / name}: ")
            assert any(each in message for each in words.split("|"))
            assert "\n" not in message


def entry(**changes: Any) -> dict[str, Any]:
    return {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], **changes}}


@pytest.mark.parametrize(
    "header",
    [
        entry(shape="x"),
        entry(shape=[-1]),
        entry(shape=[1.5]),
        entry(data_offsets=[0]),
        entry(data_offsets=None),
        entry(dtype=7),
        {"a": 3},
        {"__metadata__": 3, **entry()},
        {"__metadata__": {"instseg": 3}, **entry()},
        {"__metadata__": {"instseg": "[" * 100_000}, **entry()},
    ],
)
def test_headers_of_another_form(tmp_path: Path, header: dict[str, Any]) -> None:
    content = json.dumps(header).encode()
    path = tmp_path / "m"
    path.write_bytes(len(content).to_bytes(8, "little") + content + bytes(4))
    for read in (read_model_card, describe, load_model_file):
        with pytest.raises(InputError, match=r"not a safetensors file|header cannot be used"):
            read(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    tensors = {"a": torch.zeros(4), "b.weight": torch.full((2, 2), value)}
    save_model_file(tmp_path / "m.safetensors", tensors, make_card())
    torch.save(tensors, tmp_path / "m.pth")
    for read, name in ((load_model_file, "m.safetensors"), (load_torch_state_dict, "m.pth")):
        with pytest.raises(InputError, match=f"{name}: b.weight holds numbers that are not finite"):
            read(tmp_path / name)


def test_a_pipe_is_no_model_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    with pytest.raises(InputError, match="is a pipe"):
        read_model_card(tmp_path / "pipe.safetensors")


def test_header_that_lies_about_its_tensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m"
    save_model_file(path, {"a": torch.zeros(4)}, make_card())
    path.write_bytes(path.read_bytes().replace(b'"shape":[4]', b'"shape":[9]'))
    with pytest.raises(InputError, match="damaged"):
        load_model_file(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_torch_state_dict_plain_or_in_a_checkpoint(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "weights.pth"
    checkpoint = {"model": make_state_dict(), "epoch": 3, "args": {"lr": 0.1}}
    for saved in (make_state_dict(), checkpoint):
        torch.save(saved, path, _use_new_zipfile_serialization=zipped)
        state_dict = load_torch_state_dict(path)
        assert state_dict.keys() == make_state_dict().keys()
        for name, tensor in make_state_dict().items():
            assert torch.equal(state_dict[name], tensor)


class Malice:
    """Its pickle makes a file wherever it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_code_in_a_pickle_is_refused_and_never_run(tmp_path: Path) -> None:
    trace = tmp_path / "it_ran"
    saved = {"model": {"weight": torch.zeros(2), "more": Malice(trace)}}
    torch.save(saved, tmp_path / "zip.pth")
    torch.save(saved, tmp_path / "legacy.pth", _use_new_zipfile_serialization=False)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        (tmp_path / f"raw{protocol}.pth").write_bytes(pickle.dumps(Malice(trace), protocol))
    paths = sorted(tmp_path.glob("*.pth"))
    assert len(paths) >= 5
    for path in paths:
        with pytest.raises(InputError, match="refused: it holds code") as caught:
            load_torch_state_dict(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)
    assert not trace.exists()


def test_malicious_pickle_would_have_run(tmp_path: Path) -> None:
    """Without this, the test above could pass because its malice is harmless."""
    function, arguments = Malice(tmp_path / "it_ran").__reduce__()
    function(*arguments)
    assert (tmp_path / "it_ran").exists()


def test_damaged_and_foreign_torch_files(tmp_path: Path) -> None:
    torch.save(make_state_dict(), tmp_path / "good.pth")
    data = (tmp_path / "good.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(data[: len(data) // 2])
    (tmp_path / "empty.pth").touch()
    (tmp_path / "text.pth").write_text("<html>404 Not Found</html>")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pth")
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    torch.save({"model": {"epoch": 3}}, tmp_path / "numbers.pth")
    for name in ("cut", "empty", "text", "module", "list", "numbers", "missing"):
        path = tmp_path / f"{name}.pth"
        with pytest.raises(InputError) as caught:
            load_torch_state_dict(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)
