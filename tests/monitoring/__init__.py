"""What watches an installation."""
