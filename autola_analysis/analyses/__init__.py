"""The analyses: arrays in, frozen results out."""
