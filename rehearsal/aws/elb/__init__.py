"""Load balancers: rules that moto lacks, and listeners that really answer."""
