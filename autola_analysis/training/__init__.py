"""Recipes of the paper and the trainer that runs them."""

from autola_analysis.training.detection import recipes as detection_recipes
from autola_analysis.training.pose import recipes as pose_recipes

__all__ = ["detection_recipes", "pose_recipes"]
