"""What works on this machine, what is missing, and what mends it.

Every check runs in a process of its own, so that nothing a library does (raise, crash, hang, print) stops the
others.
"""
