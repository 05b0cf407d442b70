"""What exported files tell, and which files are refused."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from instseg.commands.info import Options, run
from instseg.core.errors import InputError
from instseg.files.exported_file import is_exported, read_exported

TEXTS = {
    "instseg": "0.1",
    "architecture": "compact",
    "dtype": "int8",
    "class_names": json.dumps(["BG", "cat"]),
    "category_ids": json.dumps([0, 17]),
    "preprocessing": json.dumps(
        {"min_size": 320, "max_size": 544, "mean": [0.5] * 3, "std": [0.2] * 3}
    ),
    "provenance": json.dumps({"made by": "a test"}),
    "score_thresholds": json.dumps({"cat": 0.4}),
    "max_detections": "50",
}


def onnx_file(path, **texts):
    info = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    weights = helper.make_tensor("w", TensorProto.FLOAT, [1000], np.ones(1000, np.float32))
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [info], [info])
    graph.initializer.append(weights)
    model = helper.make_model(graph)
    helper.set_model_props(model, {**TEXTS, **texts})
    onnx.save(model, path)
    return path


def openvino_pair(path):
    import openvino

    given = openvino.opset13.parameter([1000], np.float32)
    added = openvino.opset13.add(given, np.arange(1000, dtype=np.float32))
    model = openvino.Model([added], [given])
    for name, text in TEXTS.items():
        model.set_rt_info(text, ["instseg", name])
    openvino.save_model(model, path, compress_to_fp16=False)
    return path


@pytest.mark.parametrize(("make", "name"), [(onnx_file, "a.onnx"), (openvino_pair, "a.xml")])
def test_files_tell_about_themselves(make, name, tmp_path, capsys):
    found = read_exported(make(tmp_path / name))
    assert found.card.class_names == ("BG", "cat")
    assert found.card.category_ids == (0, 17)
    assert found.card.thresholds == {"cat": 0.4}
    assert (found.card.architecture, found.dtype, found.max_detections) == ("compact", "int8", 50)
    assert found.bytes > 4000
    assert run(Options(file=tmp_path / name)) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "stored as int8" in lines
    assert "cat 17" in lines
    assert "provenance made by a test" in lines


def test_exported_files_are_known_by_their_names():
    assert is_exported("folder/A.ONNX")
    assert is_exported("a.xml")
    assert not is_exported("a.safetensors")
    assert not is_exported(None)


def test_a_file_that_is_cut_off(tmp_path):
    path = onnx_file(tmp_path / "a.onnx")
    whole = path.read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"a\.onnx: (damaged|not exported)"):
            read_exported(path)


def test_random_bytes_and_other_peoples_files(tmp_path):
    path = tmp_path / "a.onnx"
    for seed in range(50):
        path.write_bytes(np.random.default_rng(seed).bytes(300))
        with pytest.raises(InputError, match=r"a\.onnx: "):
            read_exported(path)
    model = onnx.load(onnx_file(path))
    del model.metadata_props[:]
    onnx.save(model, path)
    with pytest.raises(InputError, match="not exported by instseg"):
        read_exported(path)
    for text, words in (
        ("<net><layers/></net>", "not exported by instseg"),
        ("<a", "not readable as XML"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><net>&a;</net>', "declares a document type"),
    ):
        (tmp_path / "b.xml").write_text(text)
        (tmp_path / "b.bin").write_bytes(b"")
        with pytest.raises(InputError, match=rf"b\.xml: {words}"):
            read_exported(tmp_path / "b.xml")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("class_names", '["BG"'),
        ("class_names", "3"),
        ("class_names", json.dumps(["BG", "cat", "dog"])),
        ("category_ids", json.dumps([0, "x"])),
        ("score_thresholds", json.dumps({"cat": 7})),
        ("score_thresholds", json.dumps({"dog": 0.5})),
        ("max_detections", '"many"'),
        ("preprocessing", "[" * 100_000),
        ("certificate", "[]"),
    ],
)
def test_a_description_that_makes_no_sense(name, text, tmp_path):
    with pytest.raises(InputError, match=r"a\.onnx: its description cannot be used"):
        read_exported(onnx_file(tmp_path / "a.onnx", **{name: text}))


def test_both_files_of_openvino_are_needed(tmp_path):
    path = openvino_pair(tmp_path / "a.xml")
    weights = path.with_suffix(".bin")
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(InputError, match=r"a\.bin: cut off or of another model"):
        read_exported(path)
    weights.unlink()
    with pytest.raises(InputError, match=r"a\.bin is missing"):
        read_exported(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"no\.onnx: cannot be read"):
        read_exported(tmp_path / "no.onnx")
