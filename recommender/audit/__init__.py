"""What recommendations do to films, to groups of people and to the catalogue over time."""
