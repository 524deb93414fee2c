"""HTTP in: the API, the pages, the guards before both."""
