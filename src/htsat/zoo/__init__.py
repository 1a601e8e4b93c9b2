"""Which models there are, where they are kept on this machine, and how their files come here."""
