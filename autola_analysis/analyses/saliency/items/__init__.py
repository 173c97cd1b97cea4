"""Explaining the items of images one by one: what objects and joints share."""
