"""Classes, masks, instances and semantic maps: numpy alone."""
