"""The model inside this process: engines, precision, and what makes them fast."""
