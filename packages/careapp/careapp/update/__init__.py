"""What the program does in `pulumi up` beside declaring resources: it follows roll-outs."""
