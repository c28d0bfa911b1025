"""The AWS APIs of the local cloud: moto, with AWS's own rules and state put into it, and what really runs behind it."""
