"""Saliency: what in an image a network uses, as maps, and how good the maps are."""

from autola_analysis.analyses.saliency.explain import explain, resolve_methods
from autola_analysis.analyses.saliency.explanation import Explanation
from autola_analysis.analyses.saliency.methods import METHODS, Method

__all__ = ["METHODS", "Explanation", "Method", "explain", "resolve_methods"]
