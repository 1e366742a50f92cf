"""Turns to moments, measures and a flag. Imports no torch."""
