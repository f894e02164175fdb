"""The screens: they draw the feed and send commands, and hold no truth of their own."""
