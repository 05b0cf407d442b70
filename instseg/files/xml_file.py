"""XML files of strangers."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from instseg.core.errors import InputError
from instseg.system.regular import require_regular_file


def read_xml(path: Path) -> Element:
    """The root element of an XML file; document types, and with them entities, are refused.

    Raises:
        InputError: It cannot be read, is no XML, or declares a document type.
    """
    require_regular_file(path)

    def refuse(*_: object) -> None:
        raise InputError(f"{path}: declares a document type, which may hide anything; remove it")

    tree = TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.data
    try:
        parser.Parse(path.read_bytes(), True)
        return tree.close()
    except (OSError, expat.ExpatError, AssertionError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not readable as XML ({error}); export it again") from error
