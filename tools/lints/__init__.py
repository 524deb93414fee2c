"""The project's own rules, checked on the syntax tree: each rule is one function from a file to what it finds."""
