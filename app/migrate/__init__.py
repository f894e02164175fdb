"""Moving in: reads foreign layouts into our configuration. Read, plan, show, apply, report."""
