"""What exported ONNX and OpenVINO files say about themselves, read without their runtimes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import msgspec

from instseg.core.errors import InputError
from instseg.core.json_types import Json
from instseg.files.model_card import ModelCard
from instseg.files.xml_file import read_xml
from instseg.system.regular import require_regular_file

KINDS: dict[str, Literal["onnx", "openvino"]] = {".onnx": "onnx", ".xml": "openvino"}
LARGEST_TEXTS = 2**25  # bytes of an ONNX file's metadata, or of an .xml file
LIVE_BYTES, LARGEST_LIVE_BYTES = 450, 1e6  # bytes of a pixel, where a file does not tell, and most
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types of protocol buffers
_METADATA = 14  # field number of ModelProto.metadata_props


@dataclass(frozen=True, kw_only=True)
class ExportedFile:
    """The description of an exported file.

    Attributes:
        path: The .onnx or .xml file.
        kind: Its format.
        card: Architecture, classes, preprocessing, score thresholds and provenance.
        dtype: `fp32`, `fp16` or `int8`.
        max_detections: Of a detector; None for semantic networks.
        live_bytes: Of a semantic network: most bytes of feature maps in float32 at once, for each
            pixel of the input.
        certificate: How closely it agrees with the model; empty if it was not checked.
        source: What it was converted from, if it is a cached conversion.
    """

    path: Path
    kind: Literal["onnx", "openvino"]
    card: ModelCard
    dtype: str
    max_detections: int | None
    live_bytes: float
    certificate: Json
    source: str

    @property
    def bytes(self) -> int:
        """Size of the file, or of both."""
        return sum(path.stat().st_size for path in files_of(self.path))


def is_exported(weights: object) -> bool:
    """Whether this is the path of an exported file, by its name."""
    return isinstance(weights, str | Path) and Path(weights).suffix.lower() in KINDS


def files_of(path: Path) -> tuple[Path, ...]:
    """The files that belong together: OpenVINO's are two."""
    return (path, path.with_suffix(".bin")) if KINDS[path.suffix.lower()] == "openvino" else (path,)


def read_exported(path: str | Path) -> ExportedFile:
    """Read the description of an exported file.

    Raises:
        InputError: The file is missing, damaged, or not one that instseg has exported.
    """
    path = Path(path)
    kind = KINDS[path.suffix.lower()]
    require_regular_file(path)
    try:
        texts = _onnx_texts(path) if kind == "onnx" else _openvino_texts(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path}: damaged ({error}); copy or export it again") from error
    if "instseg" not in texts or "class_names" not in texts:
        raise InputError(
            f"{path}: not exported by instseg, so its classes are unknown; "
            "make one with instseg export"
        )
    try:
        return _described(path, kind, texts)
    except (ValueError, LookupError, TypeError, RecursionError, msgspec.ValidationError) as error:
        raise InputError(
            f"{path}: its description cannot be used ({error}); update instseg or export it again"
        ) from error


def _described(
    path: Path, kind: Literal["onnx", "openvino"], texts: Mapping[str, str]
) -> ExportedFile:
    values = {name: json.loads(texts.get(name, "{}")) for name in _JSON}
    most = json.loads(texts.get("max_detections", "null"))
    if most is not None and not (isinstance(most, int) and most > 0):
        raise ValueError("max_detections: expected a number above 0")
    live_bytes = json.loads(texts.get("live_bytes", str(LIVE_BYTES)))
    if not (isinstance(live_bytes, float | int) and 0 < live_bytes < LARGEST_LIVE_BYTES):
        raise ValueError("live_bytes: expected a number above 0")
    card = {
        "architecture": texts["architecture"],
        "architecture_args": {},
        "class_names": values["class_names"],
        "category_ids": values["category_ids"],
        "preprocessing": values["preprocessing"],
        "thresholds": values["score_thresholds"],
        "provenance": values["provenance"],
    }
    return ExportedFile(
        path=path,
        kind=kind,
        card=msgspec.convert(card, ModelCard),
        dtype=texts.get("dtype", "fp32"),
        max_detections=most,
        live_bytes=live_bytes,
        certificate=msgspec.convert(values["certificate"], dict[str, Any]),
        source=texts.get("source", ""),
    )


_JSON = (
    *("class_names", "category_ids", "preprocessing"),
    *("score_thresholds", "provenance", "certificate"),
)


def _onnx_texts(path: Path) -> dict[str, str]:
    """The metadata of an ONNX file, a message of protocol buffers, whose graph is skipped."""
    size, texts = path.stat().st_size, {}
    with path.open("rb") as file:
        for number, length in _fields(file, size):
            if number != _METADATA:
                file.seek(length, 1)
                continue
            if length > LARGEST_TEXTS:
                raise ValueError("its metadata are too long")
            end = file.tell() + length
            entry = {part: file.read(count).decode() for part, count in _fields(file, end)}
            texts[entry.get(1, "")] = entry.get(2, "")
    if not texts and size == 0:
        raise ValueError("it is empty")
    return texts


def _fields(file: IO[bytes], end: int) -> Iterator[tuple[int, int]]:
    """The numbers and lengths of the fields up to a position; the caller reads or skips each."""
    while file.tell() < end:
        key = _varint(file)
        wire = key & 7
        if wire == _VARINT:
            _varint(file)
            continue
        lengths = {_FIXED64: 8, _FIXED32: 4}
        length = _varint(file) if wire == _BYTES else lengths.get(wire, -1)
        if not 0 <= length <= end - file.tell():
            raise ValueError("cut off, or not an ONNX file")
        yield key >> 3, length


def _varint(file: IO[bytes]) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("cut off, or not an ONNX file")


def _openvino_texts(path: Path) -> dict[str, str]:
    """The `instseg` part of the rt_info of an .xml file, whose .bin file is as long as it says."""
    if path.stat().st_size > LARGEST_TEXTS:
        raise ValueError("it is too long")
    net = read_xml(path)
    weights = path.with_suffix(".bin")
    if not weights.is_file():
        raise InputError(f"{path}: {weights.name} is missing beside it; copy both files")
    needed = max(
        (int(data.get("offset", 0)) + int(data.get("size", 0)) for data in net.iter("data")),
        default=0,
    )
    if weights.stat().st_size < needed:
        raise InputError(
            f"{weights}: cut off or of another model ({weights.stat().st_size} bytes, expected "
            f"{needed}); copy both files again"
        )
    told = net.find("rt_info/instseg")
    return {} if told is None else {each.tag: each.get("value", "") for each in told}
