"""A Django app for careapp: its settings, its page and its database."""
