"""Chooses the implementations of every port from the settings; nothing else does."""
