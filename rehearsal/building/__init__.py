"""Building the app's image: with a Docker engine, or what the Dockerfile says without one."""
