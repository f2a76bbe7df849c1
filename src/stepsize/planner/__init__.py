"""Planning a run before it starts: the linter, recipe files, the gallery of shapes."""
