"""Listings of directories."""
