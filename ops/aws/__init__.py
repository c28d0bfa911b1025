"""Talks to AWS: sessions, errors, and the local cloud in AWS's stead."""
