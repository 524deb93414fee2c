"""How the engine reaches its database, its topics, and the languages inside documents."""
