"""careapp on the local cloud: stages, named faults, the page."""
