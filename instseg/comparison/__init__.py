"""Mask R-CNN, collapsed into label maps, beside a U-Net on the same images."""
