"""What a diagnosis is made of: the case that the checks read, its findings and their catalogue."""
