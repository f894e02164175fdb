"""One screen a file; each holds layout and keys, its widgets hold the drawing."""
