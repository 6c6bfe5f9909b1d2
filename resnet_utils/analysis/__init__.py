"""What a network is like inside: gradients, paths, the loss surface, what it costs, where it looks."""
