"""From labelled recordings to training clips."""
