"""Load and quality benchmarks of the served models."""
