"""The process, the commands and the project folder of a local cloud."""
