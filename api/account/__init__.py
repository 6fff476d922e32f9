"""What a person has here: tokens of the API, and sessions."""
