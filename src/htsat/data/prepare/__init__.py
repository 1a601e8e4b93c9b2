"""Readers of public data sets: each checks what is there and writes a manifest."""
