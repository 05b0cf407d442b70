"""The meaning of the values in label maps, as people write it: `1=pet,2=BG,3=ignore`."""

from __future__ import annotations

import re

from instseg.core.errors import InputError

MAP_EXAMPLE = "1=pet,2=BG,3=ignore"

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


def parse_values(text: str) -> dict[int, str]:
    """Parse the meaning of values in semantic maps, as `1=pet,2=BG,3=ignore`.

    A colour, such as `#ff0000=pet`, is its red, green and blue as one number of 24 bits.

    Raises:
        InputError: The text has another form.
    """
    values: dict[int, str] = {}
    for entry in text.split(","):
        value, _, name = (part.strip() for part in entry.partition("="))
        number = int(value[1:], 16) if _COLOUR.fullmatch(value) else None
        if number is None and value.isdecimal():
            number = int(value)
        if number is None or not name or number in values:
            raise InputError(f"values {text!r}: give each value once, such as {MAP_EXAMPLE}")
        values[number] = name
    return values
