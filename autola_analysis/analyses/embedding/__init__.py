"""Features of many images, their embedding in the plane, and how good it is.

Nothing is imported here: the processes that optimise embeddings load ``optimise`` alone, without torch.
"""
