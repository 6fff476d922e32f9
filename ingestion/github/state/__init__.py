"""What collection keeps in PostgreSQL, by topic: what it has stored, and how far it has come."""
