"""Application Auto Scaling: AWS's rules that moto lacks, scheduled actions, and target tracking."""
