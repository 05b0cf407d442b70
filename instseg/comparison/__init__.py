"""Comparison of Mask R-CNN, merged into semantic maps, with a U-Net."""
