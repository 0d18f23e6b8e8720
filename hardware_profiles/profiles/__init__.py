"""What is known of some hardware: constants and their sources, from TOML files."""
