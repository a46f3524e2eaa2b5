"""Data, model, training, evaluation and export: everything that needs torch."""
