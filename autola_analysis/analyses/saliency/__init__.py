"""Saliency: what in an image a network uses, as maps, and how good the maps are."""

from autola_analysis.analyses.saliency.boxes import Box, boxes_for, mask_of, preprocessed_mask, read_boxes
from autola_analysis.analyses.saliency.explain import explain, resolve_methods
from autola_analysis.analyses.saliency.explanation import Explanation
from autola_analysis.analyses.saliency.faithfulness import Faithfulness, faithfulness
from autola_analysis.analyses.saliency.localisation import CHANCE_MAPS, energy_inside, iou, localise, pointing_game
from autola_analysis.analyses.saliency.methods import METHODS, Method
from autola_analysis.analyses.saliency.sanity import SanityResult, sanity_check

__all__ = [
    "CHANCE_MAPS",
    "METHODS",
    "Box",
    "Explanation",
    "Faithfulness",
    "Method",
    "SanityResult",
    "boxes_for",
    "energy_inside",
    "explain",
    "faithfulness",
    "iou",
    "localise",
    "mask_of",
    "pointing_game",
    "preprocessed_mask",
    "read_boxes",
    "resolve_methods",
    "sanity_check",
]
