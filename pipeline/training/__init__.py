"""Data, losses and the loop that trains; running a trained model."""
