"""ECS: AWS's rules that moto lacks, the service scheduler, and tasks that really run."""
