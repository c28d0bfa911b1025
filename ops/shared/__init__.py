"""What the commands on a stack and the local cloud share, and neither has from the other."""
