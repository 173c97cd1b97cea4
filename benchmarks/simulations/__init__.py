"""Simulated studies, a file per question: how often intervals hold the truth, and verdicts are right."""
