"""Golden outputs of the rivals' original networks, and the command that holds ours against them."""
