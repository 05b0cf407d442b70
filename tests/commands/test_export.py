"""`instseg export` on the command line."""

from instseg.cli import main


def test_exports_and_shows_the_certificate(tmp_path, capsys):
    out = tmp_path / "unet.onnx"
    scenes = tmp_path / "scenes"
    assert main(["make-scenes", "--images", "2", "--size", "96", "--out", str(scenes)]) == 0
    given = ["unet-demo", "--out", str(out), "--images", str(scenes / "images")]
    assert main(["export", *given]) == 0
    shown = capsys.readouterr().out
    assert "2 photos: labels differ in 0.00% of pixels" in shown
    assert f"{out}: wrote onnx, fp32" in shown
    assert out.stat().st_size > 100_000


def test_ground_truth_of_instances_is_no_use_to_a_semantic_network(tmp_path, capsys):
    given = ["unet-demo", "--out", str(tmp_path / "a.onnx")]
    code = main(["export", *given, "--images", str(tmp_path), "--coco-json", "val.json"])
    assert code == 2
    assert "--coco-json measures AP of instances" in capsys.readouterr().err
