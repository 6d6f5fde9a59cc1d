"""What the field publishes, by its own protocols."""
