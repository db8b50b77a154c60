"""What to know: questions, topics, papers and terms, loaded from YAML."""
