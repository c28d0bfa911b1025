"""Load balancers: AWS's rules that moto lacks, and listeners that really answer."""
