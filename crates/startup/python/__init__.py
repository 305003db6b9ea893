"""The side of a Hypha server that runs in Python: what start-up functions see of it."""
