"""Tests of reading OpenClaw's installations."""
