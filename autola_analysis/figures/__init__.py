"""Result -> matplotlib figure, and nothing else."""
