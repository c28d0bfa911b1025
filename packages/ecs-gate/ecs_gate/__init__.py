"""Follows roll-outs of ECS services, and names why one fails."""
