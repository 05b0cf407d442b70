"""Photos to `Instances` and label maps."""
