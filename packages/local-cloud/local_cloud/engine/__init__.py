"""The Pulumi engine of a rehearsal: installing it, running it, and the servers it attaches to."""
