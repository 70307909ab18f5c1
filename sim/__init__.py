"""Engines that run the graph, the plan or the sources, in two halves: import as `hwqat.sim`.

`models` lies below the passes, which ask it for cycles; `generated` lies above the back ends, whose sources it runs.
"""
