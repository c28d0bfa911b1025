"""Shows a running stack: status, events, logs."""
