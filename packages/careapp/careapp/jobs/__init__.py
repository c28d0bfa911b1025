"""The jobs of a stack: what ran and what comes, a run by hand, and their logs."""
