"""What the analysis of gates can be asked."""

from __future__ import annotations

from autola_analysis.analyses.options import AnalysisOptions


class GateOptions(AnalysisOptions):
    """What decides the numbers: nothing but which images are looked at."""
