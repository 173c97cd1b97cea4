"""What every room needs: errors, the registry class, atomic files, hashes, progress."""
