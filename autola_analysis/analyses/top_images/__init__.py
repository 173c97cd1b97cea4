"""The images that drive each unit most."""

from autola_analysis.analyses.top_images.analysis import TopImageAnalysis, TopImages, top_images_result

__all__ = ["TopImageAnalysis", "TopImages", "top_images_result"]
