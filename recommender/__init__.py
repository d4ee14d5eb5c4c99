"""The pure domain: models, measures and decisions. Knows no web, no bus, no database, no clock."""
