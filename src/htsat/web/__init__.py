"""`htsat serve`: one process that listens for a local page and for programs, over HTTP."""
