"""Evaluations and runs as pictures, with matplotlib; the suffix of the file says which format."""
