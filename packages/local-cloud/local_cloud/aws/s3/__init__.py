"""VPCs: AWS's rules that moto lacks, and which connections the network allows."""
