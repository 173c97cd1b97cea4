"""The analyses, a folder each: what it measures, draws, writes and says.

A folder is discovered by `registry`: its ``__init__`` holds a `Registration` and imports nothing heavy. The files
beside the folders are what all analyses share: the contract (`analysis`), options, variants, the one pass, its cache.
"""
