"""Recipes of the paper and the trainer that runs them."""
