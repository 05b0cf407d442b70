"""Datasets, drawn scenes and augmentation."""
