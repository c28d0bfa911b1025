"""What a person does to a running stack, on AWS or on the local cloud: look, ask why, check before."""
