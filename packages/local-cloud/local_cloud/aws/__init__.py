"""The AWS APIs of the local cloud: moto with AWS's rules that it lacks, and the data plane behind it."""
