"""How a screen or a command reaches the engine: one Client, in process or over a socket."""
