"""The `matting` command."""
