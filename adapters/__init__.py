"""Everything with I/O: databases, event log, files, telemetry."""
