"""What only careapp reads of a stack."""
