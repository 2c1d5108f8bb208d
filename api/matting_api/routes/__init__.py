"""What answers: one module for each group of paths."""
