"""Back ends: a plan written out as sources."""
