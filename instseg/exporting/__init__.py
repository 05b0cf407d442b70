"""Export: a model as a file for other runtimes, and how closely it agrees with the model."""
