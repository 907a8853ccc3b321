"""What is served: files below a docroot, in real directories."""
