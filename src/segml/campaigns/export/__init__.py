"""List files, one module a platform."""
