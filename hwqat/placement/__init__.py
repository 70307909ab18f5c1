"""Where quantisers stand: from the calls of a float network to the steps of a quantised one.

The rules (DESIGN, section 2):

- A convolution, linear layer, pool or concatenation reads integers of few bits: its input is requantised first.
- A batch norm is folded into the layer whose sum it reads, if the scheme asks for that.
- What stands between an exact sum and the next such layer (bias, batch norm, the division of an average, ReLU,
  residual addition) is one requantise.
- A residual addition takes the last sum of its block as it is, beside the identity; a shortcut with a convolution is
  requantised before, unless the scheme says that it joins as an accumulator.
- Behind a ReLU, integers are unsigned; elsewhere signed and symmetric.
- Inputs of a concatenation share one quantiser.
- The last sums leave as integer logits.

What each kind of call adds stands in its record (`hwqat.kinds`).
"""
