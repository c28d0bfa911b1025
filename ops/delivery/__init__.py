"""Delivery by push: what GitHub Actions needs in the AWS account, and what its jobs do beside Pulumi."""
