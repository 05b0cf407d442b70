"""The verb `export`: files, certificates, and what it refuses."""

import json
import subprocess
import sys

import onnx
import openvino
import pytest

import instseg
from instseg.core.errors import InputError
from instseg.core.events import Warned


def test_a_certificate_with_ap_travels_in_the_file(tmp_path):
    scenes = instseg.make_scenes(out=tmp_path / "scenes", images=4, size=128)
    out = tmp_path / "demo.onnx"
    done = instseg.export("demo", out=out, images=scenes.images, coco_json=scenes.coco_json)
    assert done.accepted
    assert done.file == out
    assert done.agreement.photos == 4
    assert abs(done.agreement.ap["segm"].difference) < 1e-3
    texts = {each.key: each.value for each in onnx.load(out).metadata_props}
    assert json.loads(texts["certificate"])["box_px"] == done.agreement.box_px


def test_int8_files_tell_what_they_were_calibrated_with(tmp_path):
    scenes = instseg.make_scenes(out=tmp_path / "scenes", images=12, size=128)
    photos = sorted(scenes.images.iterdir())
    out, seen = tmp_path / "unet.xml", []
    done = instseg.export(
        "unet-demo",
        format="openvino",
        out=out,
        int8=True,
        calibrate=[str(path) for path in photos],
        calibration_photos=4,
        images=scenes.images,
        coco_json=scenes.coco_json,
        max_drop=0.02,
        on_event=seen.append,
    )
    assert done.accepted
    assert done.agreement.calibrated == 4
    assert done.agreement.miou.interval is not None
    assert any("4 of 12 tested photos are also for calibration" in str(each) for each in seen)
    texts = openvino.Core().read_model(out).get_rt_info(["instseg"])
    assert json.loads(texts["calibration"]) == {"photos": 4}
    assert json.loads(texts["certificate"])["miou"]["file"] == done.agreement.miou.file
    assert texts["dtype"] == "int8"


def test_int8_without_ground_truth_says_that_ap_is_unknown(tmp_path):
    scenes, out, seen = (
        instseg.make_scenes(out=tmp_path, images=2, size=128),
        tmp_path / "u.xml",
        [],
    )
    photos = [str(path) for path in scenes.images.iterdir()]
    given = {"format": "openvino", "int8": True, "calibrate": photos, "on_event": seen.append}
    assert instseg.export("unet-demo", out=out, **given).accepted
    words = f"{out}: AP is not measured without a COCO dataset and its photos"
    assert words in [getattr(each, "text", "") for each in seen]


def test_photos_that_cannot_be_read_are_left_out(tmp_path):
    photos = instseg.make_scenes(out=tmp_path / "scenes", images=2, size=128).images
    (photos / "broken.jpg").write_text("no image")
    out, seen = tmp_path / "u.xml", []
    given = {"format": "openvino", "int8": True, "out": out, "on_event": seen.append}
    done = instseg.export("unet-demo", calibrate=photos, images=photos, **given)
    assert (done.agreement.photos, done.agreement.calibrated) == (2, 2)
    texts = [each.text for each in seen if isinstance(each, Warned)]
    assert sum("broken.jpg: not an image" in text for text in texts) == 2
    for path in photos.iterdir():
        path.write_text("no image")
    with pytest.raises(InputError, match="no photo can be read"):
        instseg.export("unet-demo", out=tmp_path / "other.onnx", images=photos)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"int8": True}, "int8 and calibrate, photos for it, go together"),
        ({"int8": True, "calibrate": "photos", "dtype": "fp16"}, "dtype='fp16' and int8: give one"),
        ({"out": "model.xml"}, r"must end in \.onnx"),
        ({"coco_json": "val.json"}, "coco_json needs images"),
        ({"images": "photos", "check": False}, "need check"),
        ({"score_threshold": 2.0}, "score_threshold=2.0 must lie between 0 and 1"),
        ({"format": "tflite"}, "format"),
    ],
)
def test_arguments_that_do_not_go_together(given, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=words):
        instseg.export("demo", **given)


def test_a_missing_package_is_named_with_its_extra(tmp_path):
    code = "import sys; sys.modules.update(onnxscript=None, onnxruntime=None)\n"
    code += f"import instseg; instseg.export('demo', out={str(tmp_path / 'a.onnx')!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert 'needs onnxscript and onnxruntime: pip install "instseg[export,onnxruntime]"' in last
