"""What screens are made of; no widget fetches data."""
