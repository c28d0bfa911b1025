"""The AWS resources of GitHub Actions (template.yaml), and the steps of the workflows."""
