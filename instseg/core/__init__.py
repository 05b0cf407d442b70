"""Classes, masks, instances and label maps: numpy alone."""
