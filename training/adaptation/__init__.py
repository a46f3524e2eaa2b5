"""Learning from images of another domain, whose labels are never looked at."""
