"""The app settings, read once and validated."""
