"""XML files of strangers."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from instseg.core.errors import InputError
from instseg.system.regular import require_regular_file

_ENCODING = re.compile(rb"\s*<\?xml[^>]*?encoding\s*=\s*[\"']([\w.-]+)")


def read_xml(path: Path) -> Element:
    """The root element of an XML file; document types, and with them entities, are refused.

    Raises:
        InputError: It cannot be read, is no XML, or declares a document type.
    """
    require_regular_file(path)
    content, converted = _content(path)

    def refuse(*_: object) -> None:
        raise InputError(f"{path}: declares a document type, which may hide anything; remove it")

    tree = TreeBuilder()
    parser = expat.ParserCreate("utf-8" if converted else None)
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.data
    try:
        parser.Parse(content, True)
        return tree.close()
    except (expat.ExpatError, AssertionError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not readable as XML ({error}); export it again") from error


def _content(path: Path) -> tuple[bytes, bool]:
    """A file, as UTF-8 if expat does not know its encoding, such as GBK; and whether it is so.

    Raises:
        InputError: It cannot be read, or is not in the encoding that it declares.
    """
    try:
        content = path.read_bytes()
        declared = _ENCODING.match(content)
        if declared is None or declared[1].lower() in (b"utf-8", b"utf-16"):
            return content, False
        return content.decode(declared[1].decode()).encode(), True
    except (OSError, LookupError, ValueError) as error:
        raise InputError(f"{path}: not readable as XML ({error}); export it again") from error
