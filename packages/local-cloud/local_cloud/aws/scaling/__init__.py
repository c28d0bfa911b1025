"""Application Auto Scaling: AWS's rules that moto lacks, and scheduled actions."""
