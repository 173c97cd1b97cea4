"""Maps of single joints: where they lie, and which other joints a joint's score looks at."""
