"""Comparison of variants: differences with intervals, and the paper's claims decided by a rule fixed before looking."""

from autola_analysis.analyses.comparison.candidate import candidate_of
from autola_analysis.analyses.comparison.claims import CLAIMS, Claim
from autola_analysis.analyses.comparison.compare import Comparison, compare

__all__ = ["CLAIMS", "Claim", "Comparison", "candidate_of", "compare"]
