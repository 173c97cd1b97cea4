"""From a file to a ready model: safe reading, dialects, identification, writing."""
