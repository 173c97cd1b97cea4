"""Do the maps depend on what the network has learned? Cascading randomisation of its weights."""
