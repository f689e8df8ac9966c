"""Looking inside: what a network does and what it costs."""
