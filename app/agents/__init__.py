"""Drivers: the code that speaks each agent's protocol, behind one small protocol."""
