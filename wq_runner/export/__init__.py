"""A run as batch jobs that need no manager: exported to a folder, checked, submitted again, merged."""
