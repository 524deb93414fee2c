"""The client for asynchronous programs. The other one, in `synchronous/`, is derived from it by `make schemas`."""
