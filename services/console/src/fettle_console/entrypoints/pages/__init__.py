"""The web console's pages. They ask the services through their HTTP APIs, as the person who is signed in."""
