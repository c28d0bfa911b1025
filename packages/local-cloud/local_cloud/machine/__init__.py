"""What the local cloud uses of this machine: users, processes, sockets, network namespaces and certificates."""
