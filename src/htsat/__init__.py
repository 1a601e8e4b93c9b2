"""htsat: hear what is in a recording and when."""
