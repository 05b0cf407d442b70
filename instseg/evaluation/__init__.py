"""Scores: COCO average precision."""
