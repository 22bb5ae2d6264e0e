"""HTTP requests of workflows: which hosts, which addresses, how much, how long, and with whose credentials."""
