"""The training of detectors of boxes."""
