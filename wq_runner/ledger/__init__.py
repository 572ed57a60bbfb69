"""Results on disk: parts, their sums, the files beside them, and which datasets are complete."""
