"""The library of the Functions Python worker, driven without the Functions host."""
