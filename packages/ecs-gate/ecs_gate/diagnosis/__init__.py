"""What a diagnosis is made of: the case that the checks read, its findings and what is always true of them."""
