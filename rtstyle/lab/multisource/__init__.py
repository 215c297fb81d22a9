"""A variational autoencoder of several sources: instruments, voices, percussion and mixes."""
