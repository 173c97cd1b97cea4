"""Numbers by which joints are read from heat maps and people told apart, which code and help both state."""

LARGE_MAP, LARGE_FILTER, SMALL_FILTER = 64, 11, 3
"""Cells of a map's longer side from which it is large, and sides of the Gaussians that smooth large and small maps, as
DARK's configurations have them: 3 for maps of 32 x 24 cells, 11 for those of 64 x 48 and 96 x 72"""
SAME_PERSON = 0.9
"""OKS from which two people are one"""
MOST_PEOPLE = 20
"""People of an image who are kept where their scores decay"""
