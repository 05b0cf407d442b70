"""Ours beside other libraries, in one run: seconds, memory and their ratios."""
