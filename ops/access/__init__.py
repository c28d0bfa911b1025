"""A person's way to the database: through the bastion or a task, by SSM Session Manager."""
