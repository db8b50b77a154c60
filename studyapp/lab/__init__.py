"""The proof: demos found, run in their own process, and their evidence kept."""
