"""Bounds on numbers that options and files give, where more than one place states them."""

LARGEST_SIDE = 8192
"""Pixels of the side of an image after preprocessing: a larger one takes 200 MB by itself."""
LARGEST_SEED = 2**32 - 1
"""What numpy's and scikit-learn's generators take."""
LARGEST_CLASS = 2**31 - 1
"""Number of a class."""
