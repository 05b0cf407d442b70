"""What is wrong with a COCO dataset, and its repair."""
