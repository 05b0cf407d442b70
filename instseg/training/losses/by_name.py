"""Losses by name: `ce + 0.5*dice`."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from instseg.core.errors import ArgumentError
from instseg.training.losses import distances, pixels, regions
from instseg.training.losses.batch import Batch, Term
from instseg.training.losses.class_weights import Counts

_LOSSES: Mapping[str, Callable[..., Term]] = {
    "ce": pixels.cross_entropy,
    "bce": pixels.binary_cross_entropy,
    "weighted-bce": pixels.weighted_binary_cross_entropy,
    "balanced-ce": pixels.balanced_cross_entropy,
    "focal": pixels.focal,
    "dice": regions.dice,
    "log-cosh-dice": regions.log_cosh_dice,
    "tversky": regions.tversky,
    "focal-tversky": regions.focal_tversky,
    "sensitivity-specificity": regions.sensitivity_specificity,
    "combo": regions.combo,
    "exponential-logarithmic": regions.exponential_logarithmic,
    "shape-aware": distances.shape_aware,
    "hausdorff": distances.hausdorff,
}
LOSS_NAMES = tuple(_LOSSES)

_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?"
_TERM = re.compile(rf"(?:({_NUMBER})\s*\*\s*)?([a-z-]+)\s*(?:\(([^()]*)\))?")


@dataclass(frozen=True, kw_only=True)
class WeightedSum:
    """A weighted sum of losses of semantic maps.

    Attributes:
        terms: Weight and loss by the text of the term.
    """

    terms: Mapping[str, tuple[float, Term]]

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The sum of all terms, a scalar; see `parts`."""
        return torch.stack([*self.parts(logits, labels).values()]).sum()

    def parts(self, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The weighted terms by their text, which sum up to the loss.

        Ignored pixels get a gradient of exactly 0; a batch of only ignored pixels has a loss and
        gradients of 0. Computed in float32 for logits of lower precision.

        Args:
            logits: bfloat16, float16, float32 or float64 (B, K, H, W).
            labels: int64 (B, H, W) on the same device, 0..K-1, or 255 where a pixel is ignored.

        Returns:
            Scalars, float32 (float64 for float64 logits).
        """
        batch = Batch.of(logits, labels)
        return {name: weight * term(batch) for name, (weight, term) in self.terms.items()}


def parse_loss(text: str, *, class_counts: Counts) -> WeightedSum:
    """Parse a loss, or a weighted sum of losses.

    Args:
        text: As `ce`, `ce + 0.5*dice` or `ce(weights=effective) + tversky(alpha=0.3, beta=0.7)`,
            with names from `LOSS_NAMES` and the arguments of the functions of this package.
        class_counts: Returns the pixels of each of the K classes in the training data; called at
            most once, if a loss needs them.

    Raises:
        InputError: A name, argument or value is unknown, or a package is missing.
    """
    parsed = {term.strip(): _parse_term(term.strip()) for term in text.split("+")}
    if len(parsed) < text.count("+") + 1:
        raise ArgumentError(
            f"{{loss}} {text}: a loss appears twice; give it a weight, as in 2*dice"
        )
    counts = functools.cache(class_counts)
    terms = {}
    for term, (weight, name, arguments) in parsed.items():
        if "class_counts" in _parameters(name):
            arguments["class_counts"] = counts
        terms[term] = weight, _LOSSES[name](**arguments)
    return WeightedSum(terms=terms)


def _parse_term(term: str) -> tuple[float, str, dict[str, Any]]:
    """Weight, name and arguments."""
    match = _TERM.fullmatch(term)
    if match is None or match[2] not in _LOSSES:
        raise ArgumentError(
            f"{{loss}} {term!r} is none: choose from {', '.join(LOSS_NAMES)}; "
            'a sum is written "ce + 0.5*dice"'
        )
    if not float(match[1] or 1):
        raise ArgumentError(f"{{loss}} {term!r}: a weight of 0 has no effect; leave it out")
    return float(match[1] or 1), match[2], _parse_arguments(match[2], match[3] or "")


def _parse_arguments(name: str, text: str) -> dict[str, Any]:
    known = {key: p.default for key, p in _parameters(name).items() if key != "class_counts"}
    arguments: dict[str, Any] = {}
    for argument in filter(None, map(str.strip, text.split(","))):
        key, _, value = map(str.strip, argument.partition("="))
        if key not in known:
            raise ArgumentError(
                f"{{loss}}: {name}({argument}): its arguments are {', '.join(known) or 'none'}"
            )
        if isinstance(known[key], str):
            arguments[key] = value
        elif re.fullmatch(_NUMBER, value):
            arguments[key] = float(value)
        else:
            raise ArgumentError(f"{{loss}}: {name}({argument}): {key} is a number from 0 on")
    return arguments


def _parameters(name: str) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(_LOSSES[name]).parameters
