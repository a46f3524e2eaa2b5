"""Where images and their ground-truth maps come from."""
