"""What was heard, for people: pages with pictures and sound, and segments of recordings to listen to."""
