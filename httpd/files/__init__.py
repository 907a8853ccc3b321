"""The disk: paths below the docroot, open files, and the cache of what was opened."""
