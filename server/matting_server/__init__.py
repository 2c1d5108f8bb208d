"""The embedded Triton server: started, supervised, cleaned up after."""
