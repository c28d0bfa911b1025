"""How ops shows things: on a terminal, as plain text, as JSON."""
