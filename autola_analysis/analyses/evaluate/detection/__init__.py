"""How well detectors find objects: average precision with intervals over images."""
