"""Stops a stack's tasks and database for a while, and starts them again."""
