"""Teaching a network: a loop one can read, on Lightning Fabric."""
