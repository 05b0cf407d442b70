"""Classes, masks, instances and semantic maps; needs numpy only."""
