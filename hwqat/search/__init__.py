"""Search: bits of weights and activations for each layer, most accuracy within a budget.

space.py       the layers and their bits      evaluate.py   a choice of bits, in exact integers
find.py        from what is asked for to the files of a search
knapsack.py    the best sum within a budget   explore.py    Optuna's study     output.py   TOML, JSON, plot
"""
