"""Training loops, configurations and losses."""
