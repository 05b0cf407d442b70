"""One verb per file: what a command does once its arguments are known."""
