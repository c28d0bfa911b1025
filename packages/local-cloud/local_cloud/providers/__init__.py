"""Stand-ins for the provider plugins: what each Pulumi resource becomes in the local cloud."""
