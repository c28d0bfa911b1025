"""The AWS API of the local cloud: moto, with AWS's own rules and state put into it."""
