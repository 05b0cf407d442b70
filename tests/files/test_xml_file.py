import pytest

from instseg import InputError
from instseg.files.xml_file import read_xml


@pytest.mark.parametrize("encoding", ["gb2312", "GBK", "Shift_JIS", "utf-8", "UTF-16", "big5"])
def test_encodings(tmp_path, encoding):
    text = f'<?xml version="1.0" encoding="{encoding}"?><a>山</a>'
    (tmp_path / "a.xml").write_bytes(text.encode(encoding))
    assert read_xml(tmp_path / "a.xml").text == "山"


@pytest.mark.parametrize("encoding", ["nonsense", "hex", "gbk"])
def test_what_is_not_in_its_encoding(tmp_path, encoding):
    head = f'<?xml version="1.0" encoding="{encoding}"?>'
    (tmp_path / "a.xml").write_bytes(head.encode() + b"<a>\xff\xff</a>")
    with pytest.raises(InputError, match="not readable as XML"):
        read_xml(tmp_path / "a.xml")
