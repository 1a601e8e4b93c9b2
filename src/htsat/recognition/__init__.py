"""Listening: a recording of any length becomes scores on one time grid, tags, events and embeddings.

`clips` cuts a recording into clips of the network's length and stitches their scores; `events` turns
scores into sound events; `recognizer` joins both with an engine. Everything streams: memory does not
grow with the recording.
"""
