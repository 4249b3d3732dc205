"""Search under a budget: which candidates to train, and what came of it."""
