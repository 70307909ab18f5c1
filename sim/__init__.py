"""Engines that run the graph or the plan: import as `hwqat.sim`."""
