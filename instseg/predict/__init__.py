"""Photos to `Instances` and semantic maps."""
