"""Connects to the database from outside the VPC, through the bastion or a task."""
