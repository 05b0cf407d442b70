"""Evaluation: metrics, confidence intervals and error analysis."""
