from typing import Any

import pytest
from model_cards import SIZES, make_card

from instseg.files.model_card import ModelCard


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_names": ("Ampel", "BG", "x")}, "expected class 0 to be 'BG'"),
        ({"category_ids": (1, 2, 3)}, "with category id 0"),
        ({"class_names": ()}, "expected class 0 to be 'BG'"),
        ({"category_ids": (0, 90)}, "each of the 3 classes, got 2"),
        ({"thresholds": {"Ampel": float("nan")}}, "thresholds: expected 0..1, got nan"),
        ({"thresholds": {"Ampel": 3}}, "thresholds: expected 0..1, got 3 for 'Ampel'"),
        ({"class_names": ("BG", 7, "x")}, "class_names: expected texts, got 7"),
        ({"category_ids": (0, 1.5, 2)}, "category_ids: expected whole numbers, got 1.5"),
        ({"category_ids": (0, 2**60, 2)}, "category_ids: expected whole numbers"),
        ({"preprocessing": {}}, "expected a list of numbers as mean, got None"),
        ({"preprocessing": {**SIZES, "min_size": -3}}, "expected pixels as min_size, got -3"),
        ({"preprocessing": {**SIZES, "max_size": 10**9}}, "expected pixels as max_size"),
        ({"preprocessing": {**SIZES, "std": [0, 1, 1]}}, "a std above 0"),
        ({"preprocessing": {**SIZES, "mean": [0.5]}}, "for each channel"),
        ({"preprocessing": {**SIZES, "mean": "abc"}}, "expected a list of numbers as mean"),
        ({"thresholds": {"tree": 0.5}}, "unknown classes: \\['tree'\\]"),
    ],
)
def test_cards_that_contradict_themselves_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_card(**changes)


@pytest.mark.parametrize(
    ("prepare", "photos"),
    [
        ({"mean": [0.5] * 3, "std": [0.2] * 3, "input": "arrays"}, False),
        ({"mean": [20_000.0], "std": [900.0], "input": "photos"}, True),
        ({"mean": [0.5], "std": [0.2]}, True),  # as older files, which do not say
        ({"mean": [0.5] * 4, "std": [0.2] * 4}, False),
        ({"mean": [20_000.0] * 3, "std": [900.0] * 3}, False),
    ],
)
def test_what_a_network_was_trained_on(prepare: dict[str, Any], photos: bool) -> None:
    card = ModelCard.from_json(make_card(preprocessing=prepare).to_json())
    assert card.takes_photos is photos


@pytest.mark.parametrize(
    ("provenance", "tile"),
    [({}, None), ({"recipe": {"tile": 512}}, 512), ({"recipe": "x"}, None), ({"recipe": {}}, None)],
)
def test_tiles_of_the_training_are_told_if_others_are_used(
    provenance: dict[str, Any], tile: int | None
) -> None:
    card = make_card(provenance=provenance)
    assert card.trained_tile == tile
    assert card.tile_notice(512) is None
    told = "was trained on tiles of 512 px; give tile 512 for larger photos"
    assert card.tile_notice(1024) == card.tile_notice(None) == (told if tile else None)


def test_a_card_comes_back_from_its_json() -> None:
    card = make_card()
    assert ModelCard.from_json(card.to_json()) == card


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format_version": 99}', "format version 99"),
        ('{"format_version": 1, "colour": "red"}', r"fields unknown: \['colour'\]"),
        ('{"format_version": 1, "architecture": "compact"}', "fields missing"),
        ("[]", "fields missing or of another type"),
    ],
)
def test_other_json_is_no_card(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelCard.from_json(text)
