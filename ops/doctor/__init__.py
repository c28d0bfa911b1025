"""Find out why a stack does not work: checks over a snapshot, ranked findings, the screen."""
