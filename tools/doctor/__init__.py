"""Find out why a stack does not work: checks over a snapshot, and the screen with their ranked findings."""
