"""Images, listings, COCO JSON, results, model files and weights."""
