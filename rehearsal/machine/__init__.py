"""What the local cloud uses of this machine: users, processes, sockets, namespaces and certificates."""
