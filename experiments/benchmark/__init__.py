"""What the project's work costs, as a share of what the machine can do."""
