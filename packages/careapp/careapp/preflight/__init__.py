"""Checks before each stage that it will succeed."""
