"""What the commands on a stack and the settings share."""
