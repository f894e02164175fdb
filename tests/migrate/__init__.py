"""Moving in: readers, and what is made of what they read."""
