"""How a network learns: batches, phases of epochs, checkpoints."""
