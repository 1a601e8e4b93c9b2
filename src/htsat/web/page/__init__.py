"""What the page is told: recordings with their states, sound, pictures, scores, events and labels.

`workspace` knows the recordings and has them looked at (`overview`) and heard (`frames`), each once; what is
found lies on disk, so that memory does not grow with their length. `routes` answers the page from there.
"""
