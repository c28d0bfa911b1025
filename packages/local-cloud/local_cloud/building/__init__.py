"""Building the app's image, with a Docker engine or by reading the Dockerfile without one."""
