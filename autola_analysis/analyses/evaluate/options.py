"""What the evaluation of classifiers can be asked."""

from __future__ import annotations

from autola_analysis.analyses.options import AnalysisOptions


class EvaluationOptions(AnalysisOptions):
    """What decides the numbers: nothing but which images are looked at, and the seed of the bootstrap."""
