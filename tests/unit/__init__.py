"""Each module by itself, in the rooms of the package: tables of cases, and properties."""
