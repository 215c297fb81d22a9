"""Training of the two families on aligned pairs: batches, losses, the loop with its checkpoints and logs."""
