"""The commands that read or change a running stack, on AWS or on the local cloud."""
