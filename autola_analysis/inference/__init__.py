"""Running a model over data: layer taps, the one pass, devices."""
