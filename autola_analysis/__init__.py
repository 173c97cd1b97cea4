"""Feature analysis of convolutional networks with pluggable attention modules."""
