"""Software models of what hardware must do: the graph's integers, a second opinion on them, a plan's cycles."""
