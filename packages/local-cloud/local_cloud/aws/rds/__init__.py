"""RDS: AWS's rules that moto lacks, and PostgreSQL servers that really run."""
