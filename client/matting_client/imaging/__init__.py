"""Pictures from bytes and to bytes."""
