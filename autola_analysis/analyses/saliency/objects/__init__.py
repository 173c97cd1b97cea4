"""Saliency of detectors: maps of single objects, and where they lie."""
