"""`instseg merge`."""

from boxed_photos import read, write_dataset, write_photo

from instseg.cli import main


def test_the_last_name_is_that_of_the_result(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        write_dataset(
            tmp_path / f"{name}.json", {f"{name}.png": ["cat", name]}, ["cat", "owl", name]
        )
        write_photo(tmp_path / f"{name}.png", ord(name))
    assert main(["merge", "a.json", "b.json", "c.json", "out", "--classes", "b=cat,c="]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (
        lines[-4:]
        == [
            "cat          4",
            "a            1",
            "out: 3 images, 5 objects, 3 classes",
            "to train: instseg finetune --data out --images .",
        ]
        or lines
    )
    assert read(tmp_path / "out")["annotations"]["b.png"] == ["cat", "cat"]
    assert main(["merge", "a.json"]) == 2
    assert "no out given" in capsys.readouterr().err
    assert main(["merge", "a.json", "new"]) == 2
    assert "give two datasets or more, and then the result" in capsys.readouterr().err
