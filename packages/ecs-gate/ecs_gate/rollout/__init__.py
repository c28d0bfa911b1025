"""The gate: it follows a roll-out, judges it, and has ECS take a bad version back."""
