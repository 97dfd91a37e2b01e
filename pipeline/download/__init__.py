"""Getting files from where they are: servers, archives, folders."""
