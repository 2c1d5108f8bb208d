"""The published models, as Triton loads them; installed as `matting_models`."""
