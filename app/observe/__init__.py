"""Observing: what is going on, told to people and programs outside. Knows domain only."""
