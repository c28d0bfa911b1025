"""The local cloud: moto's API server, and what runs beside it."""
