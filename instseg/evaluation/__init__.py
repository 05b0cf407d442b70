"""How good a result is, how sure that is, and why it is not better."""
