"""Background threads and jobs of the one process."""
