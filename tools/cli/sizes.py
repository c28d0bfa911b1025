"""The two sizes of the tests: what is slow, and how pytest is told to leave it out."""

SLOW = ("rehearsal", "engine", "image", "browser", "mistakes", "real_provider", "recordings")
"""Folders all of whose tests are slow: they deploy with the engine."""
QUICK = ("-m", "not slow")
