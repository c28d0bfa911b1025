"""The two sizes of the tests: what is slow, and how pytest is told to leave it out."""

ENGINE = ("rehearsal", "wheels", "engine", "image", "browser", "mistakes", "real_provider")
"""Folders whose tests deploy with the engine."""
SLOW = (*ENGINE, "recordings")
"""Folders all of whose tests are slow."""
QUICK = ("-m", "not slow")
