"""The comparison of a study: the candidate of every group against the other variants, and the paper's claims."""
