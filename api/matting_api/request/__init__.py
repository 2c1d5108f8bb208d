"""What came: bodies, parameters, photos by address."""
