"""What careapp adds to the gate and the doctor: a stack as their target, its cures, its own parts and checks."""
