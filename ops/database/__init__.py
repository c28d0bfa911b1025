"""Reaches the database from a person's machine, through the bastion or a task."""
