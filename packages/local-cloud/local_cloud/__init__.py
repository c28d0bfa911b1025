"""The local cloud on which the same Pulumi program runs without an AWS account."""
