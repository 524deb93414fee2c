"""The echo service's next version, as far as its database goes."""
