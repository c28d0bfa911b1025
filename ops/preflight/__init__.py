"""Checks what must be in order before the next stage."""
