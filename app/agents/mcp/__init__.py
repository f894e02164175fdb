"""Servers of the Model Context Protocol, over the official SDK; imported when one is opened.

What a server says is hostile until shown otherwise: its words are made printable, its output is
bounded, and nothing that it declares of a tool makes a call of it less risky.
"""
