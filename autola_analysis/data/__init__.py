"""Image sources, preprocessing, the embedded ClutteredDigits."""
