"""How fast a model is on this machine, with and without drafting, and what limits it."""
