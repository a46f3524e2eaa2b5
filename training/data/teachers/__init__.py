"""Public models as teachers: from any pictures, what they see becomes labels."""
