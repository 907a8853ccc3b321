"""The Siege report: what is measured, what is read out of it, and what the PDF says."""
