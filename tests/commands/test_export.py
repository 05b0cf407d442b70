"""`instseg export` on the command line."""

from PIL import Image

from instseg.cli import main


def test_exports_and_shows_the_certificate(tmp_path, capsys):
    out = tmp_path / "unet.onnx"
    scenes = tmp_path / "scenes"
    assert main(["make-scenes", "--images", "2", "--size", "96", "--out", str(scenes)]) == 0
    truth = ["--images", str(scenes / "images"), "--coco-json", str(scenes / "annotations.json")]
    assert main(["export", "unet-demo", "--out", str(out), *truth]) == 0
    shown = capsys.readouterr().out
    assert "2 photos: labels differ in 0.00% of pixels" in shown
    assert "mIoU" in shown
    assert f"{out}: wrote onnx, fp32" in shown
    assert out.stat().st_size > 100_000


def test_an_int8_file_that_loses_too_much_ends_with_1(tmp_path, capsys):
    """Calibrated with a black photo, which shows no ranges."""
    out, black, scenes = tmp_path / "unet.onnx", tmp_path / "black.png", tmp_path / "scenes"
    Image.new("RGB", (96, 96)).save(black)
    assert main(["make-scenes", "--images", "2", "--size", "96", "--out", str(scenes)]) == 0
    truth = ["--images", str(scenes / "images"), "--coco-json", str(scenes / "annotations.json")]
    given = ["export", "unet-demo", "--out", str(out), "--int8", "--calibrate", str(black), *truth]
    assert main(given) == 1
    shown = capsys.readouterr()
    assert "of mIoU, more than 0.003" in shown.err
    assert f"{out}: wrote onnx, int8" in shown.out
    assert out.is_file()
