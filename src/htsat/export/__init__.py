"""Trained networks as files for other runtimes: graph, weights, and how far both are from the original."""
