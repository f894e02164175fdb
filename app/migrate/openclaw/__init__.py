"""OpenClaw, in every layout that is met in the field, and under its older names."""
