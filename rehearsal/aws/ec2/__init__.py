"""VPCs: rules that moto lacks, and which address reaches which."""
