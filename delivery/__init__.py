"""What GitHub Actions needs of AWS (template.yaml), and the steps of its workflows beside plain ``pulumi``."""
