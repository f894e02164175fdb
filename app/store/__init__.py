"""The store: an SQLite journal with read models; the only place that knows SQL."""
