"""Reads a service from AWS, into frozen records."""
