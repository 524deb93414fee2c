"""How pages say things: Markdown, relative times, words for states."""
