"""Reads a stack from AWS, into frozen records."""
