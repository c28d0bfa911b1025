"""The page of every error: what the code can say, and what docs/errors.toml knows of it."""
