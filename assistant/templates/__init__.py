"""Templates: one job each, said well, so that a small model is good at it."""
