"""The checks of what only careapp has."""
