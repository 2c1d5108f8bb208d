"""Pictures with their alphas, and the samples made of them."""
