"""Losses of semantic maps, by name, and weighted sums of them."""

from instseg.training.losses.by_name import LOSS_NAMES, WeightedSum, parse_loss

__all__ = ["LOSS_NAMES", "WeightedSum", "parse_loss"]
