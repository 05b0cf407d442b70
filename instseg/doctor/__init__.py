"""Checks and repairs of COCO datasets."""
