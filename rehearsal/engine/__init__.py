"""The Pulumi engine of a rehearsal: getting it, running it, and what it attaches to."""
