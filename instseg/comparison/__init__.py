"""Mask R-CNN, collapsed into semantic maps, beside a U-Net on the same images."""
