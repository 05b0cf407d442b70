"""`instseg split`."""

from boxed_photos import write_dataset

from instseg.cli import main


def test_prints_a_table_of_classes_and_splits(tmp_path, capsys):
    photos = {f"{n % 4}/{n}.jpg": ["cat"] * (n % 3) for n in range(40)}
    source = write_dataset(tmp_path / "a.json", photos, ["cat", "owl"])
    given = [str(source), str(tmp_path / "out"), "--val=0.2", "--test=0", "--by=group"]
    assert main(["split", *given, "--group-pattern", r"/(\d)"]) == 0
    lines = capsys.readouterr().out.splitlines()
    table = [line.split() for line in lines[-5:-2]]
    assert table[0] == ["objects", "of", "train", "val"]
    assert [table[1][0], table[2][0]] == ["cat", "photos"]
    assert sum(map(int, table[1][1:])) == 39
    assert sum(map(int, table[2][1:])) == 40
    assert "kept in the split of a copy or group" in lines[-2]
    assert lines[-1].startswith(f"{tmp_path / 'out'}: train ")
    assert main(["split", *given]) == 2
    assert "not overwritten" in capsys.readouterr().err
    assert main(["split", *given[:1], str(tmp_path / "two"), "--group-field=day"]) == 2
    assert "--group-field needs --by group" in capsys.readouterr().err
    out = tmp_path / "out"
    assert main(["split", str(out), str(tmp_path / "new")]) == 2
    assert "mix them with --again" in capsys.readouterr().err
